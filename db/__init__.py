"""The record: what happened, what it means, where it is kept."""
