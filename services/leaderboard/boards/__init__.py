"""Boards, their entries and ranks."""
