"""PostgreSQL: a pool, single statements, transactions; the one place that knows the driver's errors.

A statement or transaction waits no longer than the current call's deadline allows: for a connection here, for the
server by cancellation, which psycopg turns into a cancel request before the connection goes back to the pool.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg import errors as pg
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from shared import deadline
from shared.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.queries import Query
from shared.retry import Retrier, Transient, TransientError
from shared.telemetry.store import StoreTelemetry

T = TypeVar("T")
Params = Mapping[str, Any]

STORE = "postgresql"
SMALLEST_POOL = 5
IDLE_S = 30
CONNECT_TIMEOUT_S = 2
# Longest wait for a connection, longest statement: bounds for work that has no call's deadline, or a later one.
POOL_WAIT_S = 5
STATEMENT_TIMEOUT_S = 30


def _with_not_after(query: Query, params: Params) -> Params:
    return {"not_after": datetime.now(UTC) + timedelta(days=1), **params} if "%(not_after)s" in query.sql else params


class Transaction:
    """Statements that take effect together. Handed to the work of `Postgres.transaction`."""

    def __init__(self, connection: AsyncConnection[Any], telemetry: StoreTelemetry) -> None:
        self._connection = connection
        self._telemetry = telemetry

    async def fetch(self, query: Query, params: Params, into: type[T]) -> list[T]:
        """Runs a query; each row becomes an `into`, made from its columns by name."""
        with self._telemetry.query(query.name, query.query_type, query.table) as measured:
            async with self._connection.cursor(row_factory=class_row(into)) as cursor:
                await cursor.execute(query.sql.encode(), _with_not_after(query, params))
                measured.rows_affected = max(cursor.rowcount, 0)
                return await cursor.fetchall() if cursor.description else []

    async def execute(self, query: Query, params: Params) -> int:
        """Runs a query whose rows nobody reads. Returns how many rows it touched."""
        with self._telemetry.query(query.name, query.query_type, query.table) as measured:
            cursor = await self._connection.execute(query.sql.encode(), _with_not_after(query, params))
            measured.rows_affected = max(cursor.rowcount, 0)
            return measured.rows_affected


class Postgres:
    """One database. Made by `connect`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]], telemetry: StoreTelemetry) -> None:
        self._pool = pool
        self._telemetry = telemetry
        self._retrier = Retrier()
        self._active = 0
        self._sweep = asyncio.Lock()
        telemetry.metrics.watch_connections(STORE, lambda: self._active)

    async def fetch(self, query: Query, params: Params, into: type[T], *, repeatable: bool | None = None) -> list[T]:
        """Runs one statement, committed by itself; each row becomes an `into`.

        `repeatable`: may it be sent again when nobody knows whether it took effect? Reads may; so may a write that
        a request record or its own nature makes harmless the second time.
        """
        again = query.query_type == "select" if repeatable is None else repeatable

        async def attempt() -> list[T]:
            async with self._connection(lambda: again) as connection:
                return await Transaction(connection, self._telemetry).fetch(query, params, into)

        return await self._retried(attempt)

    async def execute(self, query: Query, params: Params, *, repeatable: bool) -> int:
        """Likewise for a statement whose rows nobody reads. Returns how many rows it touched."""

        async def attempt() -> int:
            async with self._connection(lambda: repeatable) as connection:
                return await Transaction(connection, self._telemetry).execute(query, params)

        return await self._retried(attempt)

    async def transaction(self, work: Callable[[Transaction], Awaitable[T]], *, repeatable: bool) -> T:
        """Runs `work` in a transaction: committed when it returns, rolled back when it raises. A retry repeats the
        whole of it. `repeatable` is asked only when the connection broke during the commit."""

        async def attempt() -> T:
            committing = False
            async with (
                self._connection(lambda: repeatable or not committing) as connection,
                connection.transaction(),
            ):
                result = await work(Transaction(connection, self._telemetry))
                committing = True
                return result

        return await self._retried(attempt)

    async def ping(self) -> None:
        """Raises unless the database answers. With every connection at work nothing is asked: a full pool is no dead
        database, and the calls that fill it find out soon enough."""
        if self._active >= self._pool.max_size:
            return
        async with self._connection(lambda: False) as connection:
            await connection.execute("SELECT 1")

    async def _retried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._retrier.run(attempt)
        except TransientError as error:
            raise StoreUnavailable(STORE) from error

    @asynccontextmanager
    async def _connection(self, repeatable: Callable[[], bool]) -> AsyncIterator[AsyncConnection[Any]]:
        # A tenth of the time is kept back, so that the caller learns what it waited for.
        wait = deadline.remaining(POOL_WAIT_S) * 0.9
        try:
            async with self._pool.connection(timeout=wait) as connection:
                self._active += 1
                try:
                    yield connection
                finally:
                    self._active -= 1
        except (PoolTimeout, TooManyRequests) as error:
            busy = self._active >= self._pool.max_size
            self._telemetry.error("POOL_EXHAUSTED" if busy else "CONNECTION_TIMEOUT")
            if busy:
                raise Overloaded("every database connection is in use; try again in a moment") from error
            raise StoreUnavailable(STORE) from error
        except (pg.DeadlockDetected, pg.SerializationFailure) as error:
            self._telemetry.error(Transient.DEADLOCK_DETECTED.value)
            raise TransientError(Transient.DEADLOCK_DETECTED) from error
        except pg.ReadOnlySqlTransaction as error:
            self._telemetry.error(Transient.REPLICA_LAG.value)
            raise TransientError(Transient.REPLICA_LAG) from error
        except pg.QueryCanceled as error:
            self._telemetry.error("STATEMENT_TIMEOUT")
            raise DeadlineReached from error
        except pg.InsufficientResources as error:
            self._telemetry.error("INSUFFICIENT_RESOURCES")
            raise StoreUnavailable(STORE) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
            await self._drop_broken()
            raise TransientError(Transient.CONNECTION_TIMEOUT, repeatable=repeatable()) from error

    async def _drop_broken(self) -> None:
        """One broken connection usually means that all are: without this, each retry would meet the next one."""
        if self._sweep.locked():
            return
        async with self._sweep:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._pool.check()
            except (TimeoutError, psycopg.Error):
                return


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)


@asynccontextmanager
async def connect(
    url: str, pool_size: int, start_timeout_s: float, telemetry: StoreTelemetry
) -> AsyncIterator[Postgres]:
    """A database with its pool open and answering; closed on the way out. Raises StoreUnavailable when it does not
    answer within `start_timeout_s`."""
    pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        url,
        min_size=min(SMALLEST_POOL, pool_size),
        max_size=pool_size,
        max_idle=IDLE_S,
        open=False,
        configure=_configure,
        reconnect_timeout=CONNECT_TIMEOUT_S * 5,
        kwargs={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "savepoint",
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_S}s"
            f" -c idle_in_transaction_session_timeout={STATEMENT_TIMEOUT_S}s -c timezone=UTC"
            # Every query goes by its index whatever the values: planning it anew costs nearly as much as running it.
            " -c plan_cache_mode=force_generic_plan",
        },
    )
    try:
        try:
            await pool.open(wait=True, timeout=start_timeout_s)
        except PoolTimeout as error:
            raise StoreUnavailable(STORE) from error
        yield Postgres(pool, telemetry)
    finally:
        await pool.close(timeout=5)


def violated(error: psycopg.errors.IntegrityError) -> str:
    """The name of the constraint that a write ran into."""
    return error.diag.constraint_name or ""
