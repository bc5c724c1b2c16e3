"""Matches, and who played them."""
