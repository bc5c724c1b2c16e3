"""What can be ill about a Valkey or Redis."""
