"""The voice and the hands, tested against the sandbox Slack."""
