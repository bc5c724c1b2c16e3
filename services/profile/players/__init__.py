"""Players: who they are, how good they are, how far they have come."""
