"""The voice and the hands: all that Slack sees, and all that happens by itself."""
