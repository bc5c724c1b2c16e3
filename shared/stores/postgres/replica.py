"""One streaming replica: its own pool of connections, and what is known of it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import Enum
from typing import TypeVar

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from shared.contract.consistency import Position
from shared.stores.postgres.database import MEND_AFTER_S, Transaction
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.lease import Lease
from shared.stores.postgres.pool import Connections
from shared.stores.postgres.positions import log_position
from shared.stores.postgres.session import Session
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.bounds import LONGEST_CALL_S
from shared.work.retry import Transient

T = TypeVar("T")

# How long a replica may take for one read; what it has not answered by then, another server is asked. Half of a call's
# time is kept for that one. A slow read takes longer, as long as the replica answers the probes meanwhile.
ANSWER_S = 1.0
# What a server says of a single statement, and not of itself.
_OF_THE_STATEMENT = (pg.QueryCanceled, pg.SerializationFailure, pg.DeadlockDetected)
SETTING = "DATABASE_REPLICA_URLS"
_POOLER = (
    f"{SETTING} leads to a connection pooler: name the replicas themselves, because the service has to know which "
    "server it reads from"
)


class NoAnswer(Enum):
    """Why a replica has not read: it has not come as far as the call has to see, or it has failed."""

    BEHIND = "behind"
    FAILED = "failed"


class Replica:
    """`usable` says whether reads are sent to it. A failure takes that away; only a probe gives it (replicas.py)."""

    def __init__(self, url: str, pool_size: int, telemetry: StoreTelemetry) -> None:
        self.name = telemetry.store
        session = Session(POSTGRESQL, pooler=False, not_told=_POOLER)
        self.connections = Connections(url, pool_size, telemetry.metrics, session, telemetry.store, SETTING)
        self.usable = False
        # What the last probe found, which is what was logged.
        self.said_usable = False
        self.in_flight = 0
        # Seconds; nan where it does not answer, inf where it lacks what was there when this process began.
        self.lag_s = math.nan
        self._telemetry = telemetry
        telemetry.metrics.watch_replica_lag(telemetry.store, lambda: self.lag_s)

    async def read(
        self, run: Callable[[Transaction], Awaitable[T]], demand: Position | None, *, slow: bool = False
    ) -> T | NoAnswer:
        """What `run` reads here, once the replica has all that `demand` speaks of. `slow` is that of its query."""

        async def work(lease: Lease) -> T | NoAnswer:
            if demand and not await _covers(lease, demand):
                return NoAnswer.BEHIND
            return await run(Transaction(lease, self._telemetry))

        bound = deadline.remaining(LONGEST_CALL_S) if slow else deadline.remaining(2 * ANSWER_S) / 2
        self.in_flight += 1
        try:
            with deadline.within(bound):
                # A frozen server holds up the statement for longer than its deadline; the caller must not wait for it.
                async with asyncio.timeout(bound) as limit:
                    with self._while_usable(limit) if slow else nullcontext():
                        return await self.connections.use(work)
        except Exception as error:
            # Whatever it was: another server can answer, and the primary's own failure is the one that counts.
            self._failed(error)
            return NoAnswer.FAILED
        finally:
            self.in_flight -= 1

    async def position(self) -> Position | None:
        """How far it has come; None where it does not answer."""
        try:
            with deadline.within(ANSWER_S):
                async with asyncio.timeout(ANSWER_S):
                    return await self.connections.use(log_position)
        except Exception as error:
            self._failed(error)
            return None

    async def watch_pool(self) -> None:
        """The background task that makes the pool whole, until cancelled."""
        await self.connections.watch(MEND_AFTER_S)

    def lags(self) -> None:
        """Counts a read that had to go elsewhere because this replica was behind."""
        self._telemetry.error(Transient.REPLICA_LAG.value)

    @contextmanager
    def _while_usable(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Lets the time be over when the probes find that the replica does not answer any more."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if self.usable:
                timer = loop.call_later(ANSWER_S, look)
            elif not limit.expired():
                limit.reschedule(loop.time())

        timer = loop.call_later(ANSWER_S, look)
        try:
            yield
        finally:
            timer.cancel()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, _OF_THE_STATEMENT):
            # Most often a conflict with what is replayed.
            self._telemetry.error(Transient.REPLICA_LAG.value)
            return
        self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
        lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
        if lost and not isinstance(error, PoolTimeout):
            self.usable = False
        elif not self.connections.answered_lately():
            # It is not just busy, or slow with this one statement.
            self.usable = False


async def _covers(lease: Lease, demand: Position) -> bool:
    # Known for each connection by itself: a replica that was made anew, or another one behind the same address, may be
    # farther behind than the one before.
    connection = lease.connection
    if connection.replayed is None or not connection.replayed.covers(demand):
        connection.replayed = await log_position(lease)
    return connection.replayed.covers(demand)
