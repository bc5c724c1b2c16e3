"""What every Savepoint service uses, and nothing that only one of them does."""

__version__ = "0.3.0"
