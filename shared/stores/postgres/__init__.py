"""PostgreSQL. What others need of it stands here; its driver is known inside this folder only."""

from shared.stores.postgres.database import STORE, Params, Postgres, Transaction, connect

__all__ = ["STORE", "Params", "Postgres", "Transaction", "connect"]
