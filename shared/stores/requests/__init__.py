"""What was asked under a request_id, and what was answered: once, and alike ever after."""
