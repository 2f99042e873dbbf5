"""Fuzzing: inputs that nobody would think of, for the parsers and for the HTTP surface (`python -m tests.fuzz`)."""
