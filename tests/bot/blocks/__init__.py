"""What Slack is sent: valid, safe and readable, whatever is in the record."""
