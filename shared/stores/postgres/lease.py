"""One connection for the time of one piece of work: when the work must end, and what the server is told of that.

A statement ends by itself in most cases, a moment after its caller has gone or its deadline has passed. If not, the
server is asked to cancel it; a server that does not even do that loses the connection.
"""

import asyncio
import select
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from shared.contract.consistency import Position
from shared.contract.errors import DeadlineReached
from shared.work import deadline
from shared.work.bounds import STATEMENT_TIMEOUT_S

T = TypeVar("T")

# For work that has no call's deadline: somewhat longer than the server's own bound for a statement.
LONGEST_S = STATEMENT_TIMEOUT_S + 5.0
# How long a statement may run on that nobody waits for any more. Most end sooner, and cost no cancel request, which
# takes a new connection and a process of the server each.
GRACE_S = 0.25
# How long the server may take to cancel a statement; after that its connection is closed.
CANCEL_S = 1.0

# The clocks are compared again after this time. Until then they drift apart by 15 ms at most (500 ppm). The drift
# allowed for is a little more, so that no statement that is in time is taken for one that is late.
_CLOCK_GOOD_FOR_S = 30
_CLOCK_DRIFT = timedelta(milliseconds=20)
# A comparison that took longer than this is inexact, and is repeated; the quickest of three counts.
_CLOCK_QUICK_S = 0.02
_CLOCK_ATTEMPTS = 3


class Connection(AsyncConnection[TupleRow]):
    """A connection that knows its server's clock."""

    # Whether it was seen to lead to a database with the migrations that the service needs.
    schema_is_known = False
    # On a replica: how far it was seen to have come. A connection never leads to another server.
    replayed: Position | None = None
    # Which generation of connections it belongs to, see Connections.
    generation = 0
    # The server's clock, and ours shortly before the server looked at its own. Ours is that of deadlines; a loop's own
    # time may lie a whole turn behind.
    _clock: tuple[datetime, float] | None = None

    async def server_time(self, moment: float) -> datetime:
        """When the server's clock will show a moment of time.monotonic; never too early, see below."""
        now = time.monotonic()
        if self._clock is None or now - self._clock[1] > _CLOCK_GOOD_FOR_S:
            self._clock = await self._compare_clocks()
        read, at = self._clock
        return read + timedelta(seconds=moment - at) + _CLOCK_DRIFT

    def hung_up(self) -> bool:
        """Whether the server has ended this idle connection: nothing else makes one readable."""
        if self.closed:
            return True
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))

    def idle(self) -> bool:
        """Whether it can take another statement, outside of any transaction."""
        return self.pgconn.transaction_status == TransactionStatus.IDLE

    async def _compare_clocks(self) -> tuple[datetime, float]:
        # The server looks at its clock after we have looked at ours. Taking both for the same moment makes a deadline
        # late by a part of the round trip, and never early: what the server finds late, is late here too.
        quickest: tuple[float, datetime, float] | None = None
        for _ in range(_CLOCK_ATTEMPTS):
            at = time.monotonic()
            row = await (await self.execute("SELECT clock_timestamp()")).fetchone()
            took = time.monotonic() - at
            if row and (quickest is None or took < quickest[0]):
                quickest = (took, row[0], at)
            if took < _CLOCK_QUICK_S:
                break
        assert quickest is not None  # noqa: S101 # a SELECT without FROM has a row
        return quickest[1], quickest[2]


class Lease:
    """The right to use a connection until the call's deadline, or until whoever wanted it has gone."""

    connection: Connection

    def __init__(self) -> None:
        self._abandoned = False
        self._task: asyncio.Task[Any] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._cancelled = 0

    def check(self) -> None:
        """Raises DeadlineReached where nothing new may be begun any more."""
        if self._abandoned or deadline.passed():
            raise DeadlineReached

    async def not_after(self) -> datetime:
        """The call's deadline by the server's clock."""
        return await self.connection.server_time(deadline.until(LONGEST_S))

    def abandon(self) -> None:
        """Says that nobody waits for the work any more: it is ended within GRACE_S."""
        self._abandoned = True
        if self._end and not self._cancelled:
            self._end_in(min(GRACE_S, self._end.when() - asyncio.get_running_loop().time()))

    async def run(self, connection: Connection, work: Callable[["Lease"], Awaitable[T]]) -> T:
        """Does the work. Raises DeadlineReached when it had to be ended; the connection may be closed then.

        psycopg answers the first cancellation with a cancel request to the server and waits for what comes of it, up
        to 10 s; a second one makes it close the connection at once. Two asyncio.timeout, one inside the other, would do
        the same at five times the cost.
        """
        self.connection = connection
        self.check()
        task = self._task = asyncio.current_task()
        self._end_in(deadline.remaining(LONGEST_S) + GRACE_S)
        try:
            return await work(self)
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            raise DeadlineReached from None
        finally:
            if self._end:
                self._end.cancel()
                self._end = None
            for _ in range(self._cancelled):
                task.uncancel()  # type: ignore[union-attr] # a coroutine runs in a task

    def _end_in(self, seconds: float) -> None:
        if self._end:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self._cancel)

    def _cancel(self) -> None:
        self._cancelled += 1
        if self._task:
            self._task.cancel()
        # Cancel again until the task has ended: after a cancellation it may wait once more, say for a rollback.
        self._end_in(CANCEL_S)
