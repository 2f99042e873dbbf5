"""All that happens by itself, each with its own thread, its own deadline and its own failure."""
