"""The ways to change the record, on a real server."""
