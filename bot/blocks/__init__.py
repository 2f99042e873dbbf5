"""The record and our words in, Block Kit out: pure, so that every card can be tested without Slack."""
