"""Who answers queries that only read: the database itself, or its replicas."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from psycopg.rows import TupleRow

from shared.stores.postgres.queries import Query

T = TypeVar("T")


class Reads(Protocol):
    """Answers may be a little old, unless the call has brought a consistency token (shared/work/consistency.py). So
    nothing that decides a write, and nothing that is kept in a cache, may be read here."""

    async def fetch(self, query: Query, params: Mapping[str, Any], into: type[T]) -> list[T]:
        """Runs one query; each row becomes an `into`, made from its columns by name."""

    async def fetch_rows(self, query: Query, params: Mapping[str, Any]) -> list[TupleRow]:
        """Likewise; each row is the tuple of its columns."""
