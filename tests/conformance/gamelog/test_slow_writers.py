"""A write that began early and ends late: readers wait for it, and none of its events is passed over."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from savepoint.gamelog.v1 import gamelog_pb2 as pb

from services.gamelog.events.mongodb_positions import PLACES, Positions
from services.gamelog.events.sql_store import QUERIES
from shared.stores import mongodb
from shared.stores.mongodb import Mongo
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces
from tests.conformance.database import Environments
from tests.support.events import Log, Tail, append, event, ids, new_id
from tests.support.log_positions import grow_old

QUIET_S = 1.5


class OfPostgres:
    """A transaction that has stored its events and is not committed yet."""

    def __init__(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        self._connection = connection

    async def begin(self, *events: pb.Event) -> None:
        asked = [
            {
                "place": place,
                "event_id": one.event_id,
                "fingerprint": "0" * 32,
                "time": datetime.now(UTC).isoformat(),
                "type": one.type,
                "player_id": one.player_id,
                "payload": {},
            }
            for place, one in enumerate(events)
        ]
        far = datetime.now(UTC).replace(year=2999)
        await self._connection.execute(
            QUERIES["append_events"].sql.encode(), {"asked": json.dumps(asked), "not_after": far}
        )

    async def end(self) -> None:
        await self._connection.commit()

    async def die(self) -> None:
        await self._connection.close()


class OfMongo:
    """A write that has taken its number, and whose events come later."""

    def __init__(self, database: Mongo) -> None:
        self._database = database
        self.positions = Positions(database)
        self.number = 0
        self._events: tuple[pb.Event, ...] = ()

    async def begin(self, *events: pb.Event) -> None:
        self._events = events
        self.number = await self.positions.take()

    async def end(self) -> None:
        now = datetime.now(UTC)
        documents = [
            {
                "_id": UUID(one.event_id),
                "fingerprint": bytes(16),
                "time": int(now.timestamp() * 1e6),
                "at": now,
                "type": one.type,
                "player_id": UUID(one.player_id),
                "position": self.number * PLACES + place,
                "payload": {},
            }
            for place, one in enumerate(self._events)
        ]
        assert await self._database.insert_new("events", documents) == []
        await self.positions.give_back(self.number)


@asynccontextmanager
async def connected(environment: Any) -> AsyncIterator[Mongo]:
    metrics = Metrics()
    telemetry = StoreTelemetry("tests", metrics, Traces("tests", ""), slow_query_ms=500)
    async with mongodb.connect(environment["MONGODB_URL"], 5, 10, telemetry) as database:
        yield database
    metrics.close()


@pytest.fixture
async def slow(environments: Environments) -> AsyncIterator[OfPostgres | OfMongo]:
    environment = environments["gamelog"]
    if environment["DATABASE_TYPE"] == "mongodb":
        async with connected(environment) as database:
            yield OfMongo(database)
    else:
        url = environment["DATABASE_URL"]
        async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
            yield OfPostgres(connection)


async def nothing_comes(tail: Tail) -> None:
    async with asyncio.timeout(QUIET_S + 10):
        with pytest.raises(TimeoutError):
            await tail.read(QUIET_S)


async def test_readers_wait_for_a_write_that_began_before(log: Log, slow: OfPostgres | OfMongo) -> None:
    player = new_id()
    late = [event("late", player_id=player) for _ in range(3)]
    quick = [event("quick", player_id=player) for _ in range(3)]
    async with Tail(log, player_id=player) as tail:
        await append(log, first := event("first", player_id=player))
        assert ids(await tail.until(1)) == [first.event_id]
        token = tail.token
        await slow.begin(*late)
        await append(log, *quick)
        # Stored and answered, and found by who asks: only readers of the log wait.
        found = await log.QueryEvents(pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player, types=["quick"])))
        assert len(found.events) == 3
    async with Tail(log, token, player_id=player) as tail:
        await nothing_comes(tail)
    async with Tail(log, token, player_id=player) as tail:
        await slow.end()
        assert ids(await tail.until(6)) == ids(late + quick)


async def test_a_writer_that_died_holds_readers_up_for_a_bounded_time(
    log: Log, slow: OfPostgres | OfMongo, environments: Environments
) -> None:
    player = new_id()
    quick = event("quick", player_id=player)
    async with Tail(log, player_id=player) as tail:
        await slow.begin(event("never", player_id=player))
        await append(log, quick)
        if isinstance(slow, OfMongo):
            # As long ago as it takes.
            await grow_old(environments["gamelog"]["MONGODB_URL"], slow.number)
        else:
            await slow.die()
        assert ids(await tail.until(1, within_s=30)) == [quick.event_id]


async def test_a_writer_that_was_taken_for_dead_stores_its_events_where_readers_come_to(
    log: Log, slow: OfPostgres | OfMongo, environments: Environments
) -> None:
    if not isinstance(slow, OfMongo):
        pytest.skip("a transaction ends with its connection: nothing can be written after that")
    player = new_id()
    late, quick = [event("late", player_id=player) for _ in range(3)], event("quick", player_id=player)
    async with Tail(log, player_id=player) as tail:
        await slow.begin(*late)
        await append(log, quick)
        await grow_old(environments["gamelog"]["MONGODB_URL"], slow.number)
        assert ids(await tail.until(1, within_s=30)) == [quick.event_id]
        await slow.end()
        assert ids(await tail.until(4)) == ids([quick, *late])
