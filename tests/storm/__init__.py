"""A storm of alerts against the real program and a Slack with Slack's limits: what people see, and what it costs."""
