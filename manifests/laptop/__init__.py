"""Observer on a laptop: everything it needs, started and stopped together."""
