"""Stories in the words of those who use it: alerts, clicks and commands against the running program."""
