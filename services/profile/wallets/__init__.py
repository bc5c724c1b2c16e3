"""Coins, and the ledger of every movement."""
