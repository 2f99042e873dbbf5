"""Rows to values and back: one named query each; a store decides nothing."""
