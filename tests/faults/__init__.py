"""The fault matrix: what happens to alerts, clicks and cards while something fails, each case run for real."""
