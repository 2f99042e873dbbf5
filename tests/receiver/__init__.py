"""The ears, tested over real HTTP."""
