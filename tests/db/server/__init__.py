"""Tests of the private database server."""
