"""Reads from streaming replicas, which are balanced, watched, and never waited for longer than a bound.

A replica that fails, lags or freezes costs time and nothing else: its reads go to another one, and to the primary in
the end. docs/adr/0014-consistency-tokens.md says which reads come here, and why the others do not.
"""

import asyncio
import itertools
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from psycopg.rows import TupleRow

from shared.contract.consistency import PRIMARY, Position
from shared.stores.errors import StoreUnfit
from shared.stores.postgres.database import Transaction
from shared.stores.postgres.pool import Connections
from shared.stores.postgres.positions import log_position
from shared.stores.postgres.queries import Query
from shared.stores.postgres.reads import Reads
from shared.stores.postgres.replica import SETTING, NoAnswer, Replica
from shared.work import consistency, deadline
from shared.work.background import Job
from shared.work.sharing import SharedReads

T = TypeVar("T")

_log = logging.getLogger("savepoint.replicas")

PROBE_EVERY_S = 1.0
# At the start, until the primary has said where it is, which shows whose replicas these are.
_FIRST_PROBES = 3
# Between two looks whether a replica has caught up: at first, and twice as long each time up to the last.
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.02
# How long an answer waits for the position that its token shall have. Without it the token says "the primary".
_LATEST_S = 0.5


class Replicas:
    """The replicas of one database. Made and closed by `shared.stores.postgres.connect`."""

    def __init__(
        self,
        primary: Reads,
        connections: Connections,
        replicas: Sequence[Replica],
        wait_s: float,
        most_behind_s: float,
    ) -> None:
        self._primary = primary
        self._connections = connections
        self._replicas = replicas
        self._wait_s = wait_s
        self._most_behind_s = most_behind_s
        self._turns = itertools.count()
        self._latest: SharedReads[None, Position] = SharedReads(lambda _: self._connections.use(log_position))
        # Where the primary was at some moments of the loop's time, the oldest first: a replica's lag follows from the
        # oldest of them that it has not reached.
        self._passed: deque[tuple[float, Position]] = deque()
        self._foreign: set[str] = set()

    async def open(self) -> None:
        """Begins to connect, and looks once at each replica; they may be down. Raises StoreUnfit for one that belongs
        to another database, cannot be asked for encryption, or is behind a pooler."""
        opening = (replica.connections.open_soon() for replica in self._replicas)
        for failure in filter(None, await asyncio.gather(*opening, return_exceptions=True)):
            raise failure
        for _ in range(_FIRST_PROBES):
            await self.probe()
            if self._passed:
                break
        if self._foreign:
            raise StoreUnfit(
                f"setting {SETTING} names a server that is no streaming replica of DATABASE_URL's: "
                f"{', '.join(sorted(self._foreign))}"
            )

    async def close(self) -> None:
        """Ends all work."""
        async with AsyncExitStack() as stack:
            for replica in self._replicas:
                stack.push_async_callback(replica.connections.close)
            await self._latest.close()

    async def fetch(self, query: Query, params: Mapping[str, Any], into: type[T]) -> list[T]:
        """Likewise `Reads`."""
        found = await self._read(lambda transaction: transaction.fetch(query, params, into), slow=query.slow)
        return await self._primary.fetch(query, params, into) if found is None else found

    async def fetch_rows(self, query: Query, params: Mapping[str, Any]) -> list[TupleRow]:
        """Likewise `Reads`."""
        found = await self._read(lambda transaction: transaction.fetch_rows(query, params), slow=query.slow)
        return await self._primary.fetch_rows(query, params) if found is None else found

    async def latest(self) -> Position | None:
        """How far the primary has come, asked after this call began; callers who ask at the same time share the answer.
        None where the primary does not say in time."""
        try:
            async with asyncio.timeout(deadline.remaining(2 * _LATEST_S) / 2):
                return await self._latest.get(None)
        except Exception as error:
            # What asks for it has been done already, and must not fail now.
            _log.debug("the primary's position is not known: %r", error)
            return None

    async def watch_forever(self) -> None:
        """The background task: probes the replicas every second, until cancelled."""
        while True:
            await self.probe()
            await asyncio.sleep(PROBE_EVERY_S)

    def jobs(self) -> Sequence[Job]:
        """The background work: the probes, and for each replica what keeps its pool whole."""
        return [
            Job("watch-replicas", self.watch_forever),
            *(Job(f"watch-pool-{replica.name}", replica.watch_pool) for replica in self._replicas),
        ]

    async def probe(self) -> None:
        """Looks once at each replica, and says whether it takes reads."""
        now = asyncio.get_running_loop().time()
        latest = await self.latest()
        if latest is not None:
            self._passed.append((now, latest))
            # One that is too old stays: who has not reached it is left out.
            while len(self._passed) > 1 and self._passed[1][0] < now - self._most_behind_s:
                self._passed.popleft()
        await asyncio.gather(*(self._look_at(replica) for replica in self._replicas))

    async def _look_at(self, replica: Replica) -> None:
        position = await replica.position()
        foreign = position is not None and bool(self._passed) and position.cluster != self._passed[-1][1].cluster
        if foreign and replica.name not in self._foreign:
            _log.error("a replica belongs to another database; it is not read", extra={"replica": replica.name})
        (self._foreign.add if foreign else self._foreign.discard)(replica.name)
        replica.lag_s = math.nan if position is None else self._lag_of(position)
        # Until the primary has said once where it is, nobody knows whether this is one of its replicas.
        usable = bool(self._passed) and not foreign and replica.lag_s <= self._most_behind_s
        if usable != replica.said_usable:
            replica.said_usable = usable
            said = "takes reads" if usable else "is left out: it does not answer, or is too far behind"
            _log.log(
                logging.INFO if usable else logging.WARNING,
                "a replica %s",
                said,
                extra={"replica": replica.name, "lag_s": replica.lag_s},
            )
        replica.usable = usable

    def _lag_of(self, position: Position) -> float:
        missing = next((at for at, passed in self._passed if not position.covers(passed)), None)
        if missing is None:
            return 0.0
        if missing == self._passed[0][0]:
            # It lacks what was there at the oldest moment that is known: it may be hours behind.
            return math.inf
        return asyncio.get_running_loop().time() - missing

    async def _read(self, run: Callable[[Transaction], Awaitable[T]], *, slow: bool) -> T | None:
        """What a replica reads; None where the primary has to."""
        demand = consistency.demand()
        if demand is PRIMARY or (demand and self._passed and demand.cluster != self._passed[-1][1].cluster):
            # No replica can say that it has come so far: the second is a token of another database.
            return None
        until = asyncio.get_running_loop().time() + min(self._wait_s, deadline.remaining(2 * self._wait_s) / 2)
        pause_s = _FIRST_PAUSE_S
        while True:
            found, behind = await self._ask_each(run, demand, slow=slow)
            if not isinstance(found, NoAnswer):
                return found
            # One that is known to be too far behind is not worth the wait.
            catching_up = any(not replica.lag_s > self._wait_s for replica in behind)
            if not catching_up or asyncio.get_running_loop().time() + pause_s > until:
                for replica in behind:
                    replica.lags()
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _ask_each(
        self, run: Callable[[Transaction], Awaitable[T]], demand: Position | None, *, slow: bool
    ) -> tuple[T | NoAnswer, list[Replica]]:
        """The first answer of a replica, or none; and those that have not come far enough."""
        behind = []
        for replica in self._in_turn():
            found = await replica.read(run, demand, slow=slow)
            if not isinstance(found, NoAnswer):
                return found, []
            if found is NoAnswer.BEHIND:
                behind.append(replica)
        return NoAnswer.BEHIND if behind else NoAnswer.FAILED, behind

    def _in_turn(self) -> list[Replica]:
        """Those that take reads: the one with the fewest reads on their way first, among equals each in turn."""
        usable = [replica for replica in self._replicas if replica.usable]
        if not usable:
            return []
        first = next(self._turns) % len(usable)
        return sorted(usable[first:] + usable[:first], key=lambda replica: replica.in_flight)
