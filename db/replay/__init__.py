"""Reads stored deliveries again, through the present rules: into an empty database, or only to see."""
