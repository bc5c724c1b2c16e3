"""PostgreSQL's connections: a pool that loses none of them, even when callers are cancelled or the server freezes.

psycopg_pool loses a connection for good when a cancellation lands while it is given back. So a caller never holds one.
Its work is done by a task of its own, a holder, which takes a connection, works, and gives it back. Nobody cancels a
holder while it takes or gives back a connection. A caller that is cancelled tells its holder, which soon ends
(shared/stores/postgres/lease.py).

Callers queue before the pool, not inside it: there are never more holders than connections, and a caller that leaves
the queue leaves nothing behind in the pool.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from shared.contract.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.stores.errors import StoreUnfit
from shared.stores.postgres.lease import CANCEL_S, GRACE_S, Connection, Lease
from shared.stores.postgres.session import Session
from shared.stores.postgres.url import SETTING, check_encryption, conninfo
from shared.telemetry.metrics import Metrics
from shared.work import background, deadline

T = TypeVar("T")

_log = logging.getLogger("savepoint.pool")

STORE = "postgresql"
SMALLEST_POOL = 5
IDLE_S = 30
CONNECT_TIMEOUT_S = 2
# Longest wait for a connection; a call's deadline may be nearer.
POOL_WAIT_S = 5
# A caller that reaches the head of the queue in the last moment still has this long to take a connection; one is free
# then.
_TAKE_S = 0.05
# Between two attempts to connect, so that a database that is back is soon in use.
RECONNECT_S = 0.5
# While all connections are busy, an answer within this time proves that the database lives.
_LATELY_S = 0.5
_LOOK_EVERY_S = 1.0
_MEND_ATTEMPTS = 3


class Connections:
    """The connections to one database. Made, opened and closed by `shared.stores.postgres.connect`.

    `session` is how they are opened, `store` their label in metrics, `setting` where the URL comes from. With
    `writable` they lead to whichever of the URL's servers takes writes.
    """

    def __init__(
        self,
        url: str,
        size: int,
        metrics: Metrics,
        session: Session,
        store: str = STORE,
        setting: str = SETTING,
        *,
        writable: bool = False,
    ) -> None:
        self._url = url
        self._setting = setting
        self._conninfo = conninfo(url, setting, writable=writable)
        self._size = size
        self._session = session
        self._options = {"connect_timeout": CONNECT_TIMEOUT_S, **session.options()}
        self._writable = writable
        # Goes up when a server turns out to take no writes any more: connections of earlier generations are replaced.
        self._generation = 0
        self._generation_at = 0.0
        self._lost = metrics.connections_lost(store)
        self._pool = self._make_pool()
        self._room = asyncio.Semaphore(size)
        self._holders: dict[asyncio.Task[Any], Lease] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._active = 0
        self._last_answer = 0.0
        # Whether the last attempt to take a connection from the pool timed out. The health check makes one every
        # second, so this is up to date.
        self._starving = False
        self._waiting = 0
        metrics.watch_connections(store, lambda: self._active)
        metrics.watch_pool(store, size, lambda: self._waiting)

    async def open(self, within_s: float) -> None:
        """Returns when the smallest number of connections stands. Raises StoreUnavailable, and StoreUnfit for a
        database that cannot hold every text, or takes no encrypted connections though they are asked for, and for a
        pooler that is not what the session says."""
        # First, so that nobody waits for what cannot come; and at the end, where the server came later.
        await self._check_ways()
        try:
            await self._pool.open(wait=True, timeout=within_s)
            async with self._pool.connection(timeout=CONNECT_TIMEOUT_S) as connection:
                encoding = connection.info.parameter_status("server_encoding")
                await self._session.check(connection)
        except PoolTimeout as error:
            await self._check_ways()
            raise StoreUnavailable(STORE) from error
        if encoding != "UTF8":
            raise StoreUnfit(
                f"setting DATABASE_URL names a database in {encoding}: it takes one that was made with ENCODING 'UTF8'"
            )

    async def open_soon(self) -> None:
        """Begins to connect; the server may be down. Raises StoreUnfit likewise, where the server says within seconds
        that it does not fit."""
        await self._check_ways()
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Ends all work, within seconds."""
        for lease in self._holders.values():
            lease.abandon()
        if self._holders:
            await asyncio.wait(self._holders, timeout=GRACE_S + CANCEL_S)
        left = [*self._holders, *self._closing]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._pool.close(timeout=CONNECT_TIMEOUT_S + 1)

    async def use(self, work: Callable[[Lease], Awaitable[T]]) -> T:
        """Does the work with a connection, in a task that holds it until the end, and returns what comes of it.

        A caller that is cancelled returns at once. Any other waits for the holder, which may take until a little after
        the deadline where the server does not answer. Raises DeadlineReached, Overloaded when all connections are in
        use for too long, PoolTimeout when the database gives none, and what `work` raises.
        """
        loop = asyncio.get_running_loop()
        if deadline.passed():
            raise DeadlineReached
        # A tenth of the time is kept back, so that the caller still learns why it has waited.
        until = loop.time() + deadline.remaining(POOL_WAIT_S) * 0.9
        await self._enter(until)
        lease = Lease()
        answer: asyncio.Future[T] = loop.create_future()
        holder = loop.create_task(self._hold(lease, work, until, answer), name="connection")
        self._holders[holder] = lease
        holder.add_done_callback(self._ended)
        try:
            return await answer
        except asyncio.CancelledError:
            lease.abandon()
            raise

    async def ask(self, question: Callable[[Lease], Awaitable[Any]]) -> None:
        """Raises unless the database answers, and what `question` raises. While all connections are busy the question
        is not asked: a recent answer on one of them counts instead; where there was none, a connection of its own is
        opened to see that the database answers."""
        if not self._room.locked():
            await self.use(question)
        elif not self.answered_lately():
            await self._ask_afresh()

    def answered_lately(self) -> bool:
        """Whether the database has answered on any connection within the last _LATELY_S."""
        return asyncio.get_running_loop().time() - self._last_answer < _LATELY_S

    async def watch(self, mend_after_s: float) -> None:
        """Until cancelled, replaces the pool when it is broken: for `mend_after_s` connections were missing, or none
        could be had, although the database answers on a fresh one.

        Raises StoreUnavailable when no new pool can be made either: then the process must end.
        """
        loop = asyncio.get_running_loop()
        since: float | None = None
        lost = self._size
        failed = 0
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, mend_after_s / 3))
            missing = self._missing()
            if not (missing or self._starving) or not await self._answers_afresh():
                # The pool is whole; or the database is down, and it is no wonder that connections are missing.
                since, lost, failed = None, self._size, 0
                continue
            since = since or loop.time()
            lost = min(lost, missing)
            if loop.time() - since < mend_after_s:
                continue
            if await self._mend(lost, min(mend_after_s, CONNECT_TIMEOUT_S * 2)):
                since, lost, failed = None, self._size, 0
            elif (failed := failed + 1) >= _MEND_ATTEMPTS:
                _log.error("the connection pool cannot be made anew, though the database answers")
                raise StoreUnavailable(STORE)

    async def _check_ways(self) -> None:
        await check_encryption(self._url, CONNECT_TIMEOUT_S, self._setting)
        await self._session.check_way(self._conninfo, self._options, CONNECT_TIMEOUT_S)

    async def _enter(self, until: float) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        self._waiting += 1
        try:
            async with asyncio.timeout_at(until):
                await self._room.acquire()
        except TimeoutError as error:
            if self._active or self.answered_lately():
                raise Overloaded("every database connection is in use; try again in a moment") from error
            # Those ahead of us have got no connection either: the database gives none.
            raise PoolTimeout from error
        finally:
            self._waiting -= 1

    async def _hold(
        self, lease: Lease, work: Callable[[Lease], Awaitable[T]], until: float, answer: asyncio.Future[T]
    ) -> None:
        try:
            result = await self._do(lease, work, until)
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
        except asyncio.CancelledError:
            # Only `close` cancels a holder.
            if not answer.done():
                answer.set_exception(StoreUnavailable(STORE))
            raise
        except BaseException as error:
            # The caller waits for nothing but this answer.
            if not answer.done():
                answer.set_exception(error)
            raise
        else:
            if not answer.done():
                answer.set_result(result)

    async def _do(self, lease: Lease, work: Callable[[Lease], Awaitable[T]], until: float) -> T:
        pool, connection = await self._take(until)
        self._active += 1
        try:
            return await lease.run(connection, work)
        except pg.ReadOnlySqlTransaction:
            self._distrust()
            raise
        finally:
            self._active -= 1
            if connection.generation != self._generation:
                await connection.close()
            elif connection.idle():
                self._last_answer = asyncio.get_running_loop().time()
            else:
                # Left in the middle of a transaction or a statement: putconn would wait for its end, without a bound.
                await connection.close()
            await pool.putconn(connection)

    async def _take(self, until: float) -> tuple[AsyncConnectionPool[Connection], Connection]:
        while True:
            pool = self._pool
            try:
                wait = max(until - asyncio.get_running_loop().time(), _TAKE_S)
                connection = await pool.getconn(timeout=wait)
            except PoolClosed:
                if pool is self._pool:
                    raise
                continue
            except PoolTimeout:
                self._starving = True
                raise
            self._starving = False
            if connection.generation == self._generation and not connection.hung_up():
                return pool, connection
            # The server has closed this one, or is no primary any more. The pool replaces it; try the next.
            await connection.close()
            await pool.putconn(connection)

    def _distrust(self) -> None:
        """The server of a connection has refused a write as read-only: another one is the primary now, or none is yet.
        All connections are made anew, but not more often than one would try to connect."""
        now = asyncio.get_running_loop().time()
        if now - self._generation_at > RECONNECT_S:
            self._generation, self._generation_at = self._generation + 1, now

    async def _born(self, connection: Connection) -> None:
        connection.generation = self._generation

    def _ended(self, holder: asyncio.Task[Any]) -> None:
        del self._holders[holder]
        self._room.release()

    def _missing(self) -> int:
        """Connections that the pool counts, but that neither it nor a holder has: being opened, or lost."""
        stats = self._pool.get_stats()
        return max(0, stats["pool_size"] - stats["pool_available"] - self._active)

    async def _ask_afresh(self) -> None:
        with deadline.within(CONNECT_TIMEOUT_S):
            connection = await Connection.connect(self._conninfo, **self._options)
            try:
                await Lease().run(connection, select_one)
            finally:
                await connection.close()

    async def _answers_afresh(self) -> bool:
        try:
            await self._ask_afresh()
        except (DeadlineReached, psycopg.Error):
            return False
        return True

    async def _mend(self, lost: int, within_s: float) -> bool:
        """Replaces the pool by a new one. Holders that have a connection of the old one use it to their end."""
        new = self._make_pool()
        try:
            await new.open(wait=True, timeout=within_s)
        except PoolTimeout:
            _log.warning("a new connection pool could not be opened")
            return False
        except BaseException:
            await new.close(timeout=0)
            raise
        old, self._pool = self._pool, new
        self._starving = False
        self._lost.inc(lost)
        _log.error("connections were lost; the pool has been made anew", extra={"connections": lost})
        background.once(old.close(timeout=CONNECT_TIMEOUT_S + 1), "old-pool", self._closing)
        return True

    def _make_pool(self) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            self._conninfo,
            connection_class=Connection,
            min_size=min(SMALLEST_POOL, self._size),
            max_size=self._size,
            max_idle=IDLE_S,
            open=False,
            configure=self._born,
            reconnect_timeout=RECONNECT_S,
            kwargs=self._options,
        )


async def select_one(lease: Lease) -> None:
    """The least that a database can be asked."""
    await lease.connection.execute("SELECT 1")


async def select_writable(lease: Lease) -> None:
    """Raises psycopg's ReadOnlySqlTransaction where the server takes no writes."""
    cursor = await lease.connection.execute("SELECT current_setting('transaction_read_only')")
    if await cursor.fetchone() == ("on",):
        raise pg.ReadOnlySqlTransaction("the server takes no writes")
