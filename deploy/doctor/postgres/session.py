"""A connection that only reads, and waits for nobody for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.queries import load
from shared.stores.postgres.url import conninfo

Row = dict[str, Any]

QUERIES = dict(load(Path(__file__).with_name("queries.sql")).of(POSTGRESQL))
APPLICATION = "savepoint-doctor"
CONNECT_S = 3
_STATEMENT_MS = 3000
# For a size the table is locked as any reader locks it; one that is being rewritten is passed over.
_LOCK_MS = 300


class Session:
    """One connection. A question that fails leaves it as it was."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection

    @property
    def version(self) -> int:
        """The server's: 180006 is 18.6."""
        return self._connection.info.server_version

    @property
    def cockroach(self) -> str:
        """CockroachDB's version; empty where it is another server."""
        return self._connection.info.parameter_status("crdb_version") or ""

    async def rows(self, query: str, *, schema: str = "", **params: Any) -> list[Row]:
        """The rows of a query of queries.sql. Raises psycopg.Error."""
        sql = QUERIES[query].sql
        if schema:
            sql = sql.replace("{schema}", '"' + schema.replace('"', '""') + '"')
        async with self._connection.transaction():
            # Inside the transaction, so that it holds behind a connection pooler too.
            await self._connection.execute("SET TRANSACTION READ ONLY")
            await self._connection.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
                (f"{_STATEMENT_MS}ms", f"{_LOCK_MS}ms"),
            )
            cursor = await self._connection.execute(sql.encode(), params or None)
            return await cursor.fetchall()

    async def row(self, query: str, **params: Any) -> Row:
        """The only row of a query that always has one. Raises psycopg.Error."""
        [row] = await self.rows(query, **params)
        return row


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Session]:
    """A session while the context is open. Raises psycopg.Error, and StoreUnfit for what is no URL."""
    connection = await psycopg.AsyncConnection.connect(
        conninfo(url),
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name=APPLICATION,
        # Nothing is asked twice, and a pooler may not know prepared statements.
        prepare_threshold=None,
        row_factory=dict_row,
    )
    try:
        yield Session(connection)
    finally:
        await connection.close()
