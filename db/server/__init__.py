"""A private MySQL or MariaDB server for a laptop and the tests: found or installed, started, and never left behind."""
