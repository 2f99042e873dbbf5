"""The commands of `python -m db`, one module each."""
