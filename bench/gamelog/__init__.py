"""The game log under a load in bulk, and what Python makes of the same events."""
