"""The ears: all that arrives over HTTP."""
