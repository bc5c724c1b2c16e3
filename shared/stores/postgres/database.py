"""PostgreSQL: single statements, transactions; the one place that knows the driver's errors.

A statement or transaction waits no longer than the current call's deadline allows. When the deadline has passed,
nothing new is begun, and what is running ends by itself a moment later, or is cancelled on the server
(shared/stores/postgres/lease.py).

A query whose effect must not come after the call's deadline says `clock_timestamp() <= %(not_after)s` where its work
begins; the parameter is filled in here, in the server's time. If the server freezes while it holds the statement, and
goes on after the deadline, the statement does nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.rows import AsyncRowFactory, TupleRow, class_row, tuple_row
from psycopg_pool import PoolTimeout

from shared.contract.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.stores.errors import ConstraintViolated, Contended, LockTimeout, OutOfRange, StoreUnfit
from shared.stores.postgres.dialect import POSTGRESQL, Dialect
from shared.stores.postgres.lease import Lease
from shared.stores.postgres.pool import STORE, Connections, select_one, select_writable
from shared.stores.postgres.positions import QUERIES as POSITIONS
from shared.stores.postgres.queries import Query
from shared.stores.postgres.reads import Reads
from shared.stores.postgres.schema import Schema, SchemaNewer, SchemaOlder
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.attempts import Attempts
from shared.work.background import Job
from shared.work.bounds import PING_S
from shared.work.consistency import Latest
from shared.work.retry import Retrier, Transient, TransientError

T = TypeVar("T")
Params = Mapping[str, Any]

__all__ = ["STORE", "Params", "Postgres", "Transaction"]

_log = logging.getLogger("savepoint.database")

# How many seconds apart a ping also looks at the schema's version.
SCHEMA_EVERY_S = 10.0
_SCHEMA_POLL_S = 0.5
# How long connections may be missing from the pool before it is replaced.
MEND_AFTER_S = 10.0
# How often a write goes through the attempts of the retry policy while it loses against other transactions, and its
# deadline is not over. Each time somebody else has got on.
_ROUNDS = 10
_NOT_AFTER = "%(not_after)s"
_NO_WRITES = (
    "setting DATABASE_URL names a server that takes no writes, a replica perhaps: it takes the primary, or several "
    "hosts, of which the primary is found"
)


class Transaction:
    """Statements that take effect together. Handed to the work of `Postgres.transaction`."""

    def __init__(self, lease: Lease, telemetry: StoreTelemetry) -> None:
        self._lease = lease
        self._telemetry = telemetry

    async def fetch(self, query: Query, params: Params, into: type[T]) -> list[T]:
        """Runs a query; each row becomes an `into`, made from its columns by name. Raises DeadlineReached, also where
        the server found that it came too late."""
        return await self._fetch(query, params, class_row(into))

    async def fetch_rows(self, query: Query, params: Params) -> list[TupleRow]:
        """Likewise; a row is the tuple of its columns, which costs half as much where there are many rows."""
        return await self._fetch(query, params, tuple_row)

    async def execute(self, query: Query, params: Params) -> int:
        """Runs a query whose rows nobody reads. Returns how many rows it touched. Raises likewise."""
        sql, params = await self._begin(query, params)
        with self._telemetry.query(query.name, query.query_type, query.table) as measured:
            cursor = await self._lease.connection.execute(sql, params)
            measured.rows_affected = max(cursor.rowcount, 0)
        _check_answer(query)
        return measured.rows_affected

    async def _fetch(self, query: Query, params: Params, factory: AsyncRowFactory[T]) -> list[T]:
        sql, params = await self._begin(query, params)
        with self._telemetry.query(query.name, query.query_type, query.table) as measured:
            async with self._lease.connection.cursor(row_factory=factory) as cursor:
                await cursor.execute(sql, params)
                measured.rows_affected = max(cursor.rowcount, 0)
                rows = await cursor.fetchall() if cursor.description else []
        _check_answer(query)
        return rows

    async def _begin(self, query: Query, params: Params) -> tuple[bytes, Params]:
        if _NOT_AFTER in query.sql:
            params = {**params, "not_after": await self._lease.not_after()}
        self._lease.check()
        return query.sql.encode(), params


def _check_answer(query: Query) -> None:
    # The query may have done nothing only because it came too late. The caller must not take that for a refusal.
    if _NOT_AFTER in query.sql and deadline.passed():
        raise DeadlineReached


class Postgres:
    """One database. Made by `shared.stores.postgres.connect`.

    `reads` answers queries whose answers may be a little old: the database itself, or its replicas. `latest` is None
    where it is the database itself. With `replicated`, other servers follow this one, and one of them may become the
    primary in its place.
    """

    def __init__(
        self,
        connections: Connections,
        telemetry: StoreTelemetry,
        schema: Schema | None = None,
        *,
        dialect: Dialect = POSTGRESQL,
        replicated: bool = False,
    ) -> None:
        # Which database it is: stores take their queries for it.
        self.dialect = dialect
        self.reads: Reads = self
        self.latest: Latest | None = None
        self._jobs = [Job("watch-pool", self.watch_forever, vital=True)]
        self._replicated = replicated
        self._connections = connections
        self._telemetry = telemetry
        self._schema = schema
        # When the schema was found fit; None where that is not known.
        self._fit_at: float | None = None
        # Why it was not when it was last looked at.
        self._unfit: StoreUnfit | None = None
        # Whether it was said that the schema is newer.
        self._newer = False
        self._retrier = Retrier()

    async def fetch(self, query: Query, params: Params, into: type[T], *, repeatable: bool | None = None) -> list[T]:
        """Runs one statement, committed by itself; each row becomes an `into`.

        `repeatable`: may it be sent again when nobody knows whether it took effect? Reads may; so may a write that
        a request record or its own nature makes harmless the second time. A caller that is cancelled leaves at once;
        its statement may still take effect.
        """
        again = query.query_type == "select" if repeatable is None else repeatable

        async def work(lease: Lease) -> list[T]:
            return await Transaction(lease, self._telemetry).fetch(query, params, into)

        async def attempt() -> list[T]:
            with self._errors(lambda: again):
                return await self._connections.use(work)

        return await self._retried(attempt, shared=query.shared)

    async def fetch_rows(self, query: Query, params: Params) -> list[TupleRow]:
        """Likewise for a query that only reads; each row is the tuple of its columns."""

        async def work(lease: Lease) -> list[TupleRow]:
            return await Transaction(lease, self._telemetry).fetch_rows(query, params)

        async def attempt() -> list[TupleRow]:
            with self._errors(lambda: True):
                return await self._connections.use(work)

        return await self._retried(attempt)

    async def execute(self, query: Query, params: Params, *, repeatable: bool) -> int:
        """Likewise for a statement whose rows nobody reads. Returns how many rows it touched."""

        async def work(lease: Lease) -> int:
            return await Transaction(lease, self._telemetry).execute(query, params)

        async def attempt() -> int:
            with self._errors(lambda: repeatable):
                return await self._connections.use(work)

        return await self._retried(attempt)

    async def transaction(
        self, work: Callable[[Transaction], Awaitable[T]], *, repeatable: bool, shared: bool = False
    ) -> T:
        """Runs `work` in a transaction and in a task of its own: committed when it returns, rolled back when it
        raises, and when the caller is cancelled before the commit. A retry repeats the whole of it. `repeatable` is
        asked only when the connection broke during the commit. `shared` is that of its query (Query.shared)."""

        async def attempt() -> T:
            committing = False

            async def whole(lease: Lease) -> T:
                nonlocal committing
                async with lease.connection.transaction():
                    result = await work(Transaction(lease, self._telemetry))
                    lease.check()
                    committing = True
                return result

            with self._errors(lambda: repeatable or not committing):
                return await self._connections.use(whole)

        return await self._retried(attempt, shared=shared)

    def read_from(self, replicas: Reads, latest: Latest, jobs: Sequence[Job]) -> None:
        """From now on `reads` are the replicas, whose `jobs` belong to the background work."""
        self.reads, self.latest = replicas, latest
        self._jobs += jobs

    def jobs(self) -> Sequence[Job]:
        """The background work without which connections would get lost, and replicas unwatched."""
        return self._jobs

    async def confirm(self) -> None:
        """Returns when what can be seen now outlives this server, as far as that was promised: when the synchronous
        standbys have it.

        A commit waits for them, but somebody else can see what it has written before they have it: when the deadline
        ends the wait, and the caller is told so. Whoever answers "it is done" because of what it has seen, and not
        because of a commit of its own, waits here first."""
        if self._replicated and self.dialect.standbys:
            await self.execute(POSITIONS["confirm_commits"], {}, repeatable=True)

    async def ping(self) -> None:
        """Raises unless the database answers in time, StoreUnfit where its schema lacks migrations. Two things are no
        failure: that all connections are busy, and that the schema is newer by now, because an upgrade migrates first
        and replaces the replicas after that."""
        try:
            with deadline.within(PING_S), self._errors(lambda: False):
                await self._connections.ask(self._look)
            if self._unfit:
                # All connections are at work, so nobody has looked again.
                raise self._unfit
        except Exception:
            # The next answer may come from another database: look at its schema again.
            self._fit_at = None
            raise

    async def until_fit(self, within_s: float) -> None:
        """Returns when the schema has the version that the code needs, and the server takes writes. Raises StoreUnfit
        when it lacks migrations or takes none after `within_s`, and at once when the schema is newer."""
        if self._schema is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        said = False
        while True:
            try:
                with self._errors(lambda: True):
                    await self._connections.use(self._schema.check)
                    await self._connections.use(select_writable)
                return
            except SchemaOlder as error:
                if loop.time() > until:
                    raise StoreUnfit(f"{error} (waited {within_s:.0f} s at the start)") from error
                if not said:
                    _log.warning("waiting for migrations: %s", error, extra={"at_most_s": within_s})
                said = True
            except TransientError as error:
                if loop.time() > until:
                    refuses_writes = error.kind is Transient.REPLICA_LAG
                    raise (StoreUnfit(_NO_WRITES) if refuses_writes else StoreUnavailable(STORE)) from error
            await asyncio.sleep(_SCHEMA_POLL_S)

    async def watch_forever(self, mend_after_s: float = MEND_AFTER_S) -> None:
        """The background task: counts connections that got lost and makes the pool whole, until cancelled.

        Raises StoreUnavailable when it cannot, though the database answers: the process must end then."""
        await self._connections.watch(mend_after_s)

    async def _look(self, lease: Lease) -> None:
        """Runs the smallest query there is. If the schema's version was read long ago, or never on this connection, it
        reads that instead: the connection may lead to another database of the same name."""
        now = asyncio.get_running_loop().time()
        if self._replicated:
            await select_writable(lease)
        if self._schema is None or (
            lease.connection.schema_is_known and self._fit_at is not None and now - self._fit_at < SCHEMA_EVERY_S
        ):
            await select_one(lease)
            return
        try:
            await self._schema.check(lease)
        except SchemaNewer as error:
            if not self._newer:
                _log.warning("%s", error)
            self._newer = True
        except StoreUnfit as error:
            self._unfit = error
            raise
        self._unfit = None
        self._fit_at = now
        lease.connection.schema_is_known = True

    async def _retried(self, attempt: Callable[[], Awaitable[T]], *, shared: bool = False) -> T:
        """What an attempt comes to, repeated as the policy says. One that loses against other transactions is repeated
        until its deadline; if it is shared, its caller does its parts one by one instead."""
        attempts = Attempts(attempt, lambda: StoreUnavailable(STORE))
        lost: TransientError | None = None
        for _ in range(1 if shared else _ROUNDS):
            if deadline.passed():
                break
            try:
                return await self._retrier.run(attempts.once)
            except TransientError as error:
                if error.kind is not Transient.SERIALIZATION_FAILURE:
                    raise StoreUnavailable(STORE) from error
                lost = error
        if lost is None:
            raise DeadlineReached
        # Contended promises that nothing was done. An attempt whose connection broke may have done it.
        raise (StoreUnavailable if attempts.broken else Contended)(STORE) from lost

    @contextmanager
    def _errors(self, repeatable: Callable[[], bool]) -> Iterator[None]:
        """Counts the driver's errors and turns them into ours."""
        try:
            yield
        except Overloaded:
            self._telemetry.error("POOL_EXHAUSTED")
            raise
        except PoolTimeout as error:
            self._telemetry.error("CONNECTION_TIMEOUT")
            raise StoreUnavailable(STORE) from error
        except pg.DeadlockDetected as error:
            self._telemetry.error(Transient.DEADLOCK_DETECTED.value)
            raise TransientError(Transient.DEADLOCK_DETECTED) from error
        except pg.SerializationFailure as error:
            self._telemetry.error(Transient.SERIALIZATION_FAILURE.value)
            raise TransientError(Transient.SERIALIZATION_FAILURE) from error
        except pg.ReadOnlySqlTransaction as error:
            self._telemetry.error(Transient.REPLICA_LAG.value)
            raise TransientError(Transient.REPLICA_LAG) from error
        except pg.LockNotAvailable as error:
            self._telemetry.error("LOCK_TIMEOUT")
            raise LockTimeout(STORE) from error
        except pg.QueryCanceled as error:
            self._telemetry.error("STATEMENT_TIMEOUT")
            raise DeadlineReached from error
        except pg.IntegrityError as error:
            raise ConstraintViolated(error.diag.constraint_name or "") from error
        except pg.NumericValueOutOfRange as error:
            raise OutOfRange from error
        except pg.InsufficientResources as error:
            self._telemetry.error("INSUFFICIENT_RESOURCES")
            raise StoreUnavailable(STORE) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
            raise TransientError(Transient.CONNECTION_TIMEOUT, repeatable=repeatable()) from error
