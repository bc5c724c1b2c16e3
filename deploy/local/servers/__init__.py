"""The servers that the embedded stack starts for the stores: a part for each kind."""
