"""Programs written as a game server would be: against the stubs and the gateway, and none of Savepoint's own code."""
