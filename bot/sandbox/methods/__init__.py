"""The Web API's methods: each takes the workspace and the arguments, and answers or raises `SlackError`."""
