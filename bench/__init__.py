"""The project's own measuring: what a call costs, and whether the suite holds under load, kills and restarts."""
