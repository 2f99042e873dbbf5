"""What happens on a click, a command or a submission: understand, one transaction, answer."""
