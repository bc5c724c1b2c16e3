"""A database that keeps to the deadlines that it is told, and leaves all else to the statements."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import psycopg
from psycopg.rows import class_row

from shared.stores.postgres import Params, Postgres
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.queries import Query
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import RequestRecords
from shared.work import deadline

T = TypeVar("T")


class Strict:
    """A database whose statements know their call's deadline to the moment. Nobody cancels them: who gives up leaves
    them to run on."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self.dialect = POSTGRESQL
        self.reads = self

    async def fetch(self, query: Query, params: Params, into: type[T], *, repeatable: bool | None = None) -> list[T]:
        return await asyncio.shield(asyncio.create_task(self._run(query, params, into)))

    async def _run(self, query: Query, params: Params, into: type[T]) -> list[T]:
        async with self._connection.cursor(row_factory=class_row(into)) as cursor:
            await cursor.execute(query.sql.encode(), {**params, "not_after": _not_after()})
            return await cursor.fetchall()

    async def fetch_rows(self, query: Query, params: Params) -> list[tuple[Any, ...]]:
        return await (await self._connection.execute(query.sql.encode(), params)).fetchall()

    async def execute(self, query: Query, params: Params, *, repeatable: bool) -> int:
        return (await self._connection.execute(query.sql.encode(), {**params, "not_after": _not_after()})).rowcount

    async def confirm(self) -> None:
        """There is no other server."""


def _not_after() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=deadline.remaining(30))


@asynccontextmanager
async def strict(url: str) -> AsyncIterator[tuple[Postgres, RequestRecords]]:
    """The database, and the request records in it."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        database = cast("Postgres", Strict(connection))
        requests = RequestRecords(database)
        yield database, requests
        await requests.close()


def key() -> RequestKey:
    """Of a new request."""
    return RequestKey(uuid.uuid4(), "test", b"test")
