"""What runs Observer outside its own process: a laptop, containers, clusters."""
