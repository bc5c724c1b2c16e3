"""What players own."""
