"""What Observer says, and how foreign text gets into it."""
