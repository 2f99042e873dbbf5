"""The sandbox Slack, over real HTTP on loopback."""
