"""Telling a record anew."""
