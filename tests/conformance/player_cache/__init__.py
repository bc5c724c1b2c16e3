"""The player cache, over whatever keeps it: one loader at a time, fresh before it ends, never stale."""
