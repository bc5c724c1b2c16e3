"""Events: what happened in the game, to be found and counted later."""
