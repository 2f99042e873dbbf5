"""The tests: stories and properties, run against real servers."""
