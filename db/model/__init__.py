"""Pure values and decisions: nothing here reads a clock, a socket, a file or the environment."""
