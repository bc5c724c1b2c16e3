"""What can be ill about a MongoDB."""
