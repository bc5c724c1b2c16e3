"""PostgreSQL. What others need of it stands here; its driver is known inside this folder only."""

from shared.stores.postgres.connect import connect
from shared.stores.postgres.database import STORE, Params, Postgres, Transaction

__all__ = ["STORE", "Params", "Postgres", "Transaction", "connect"]
