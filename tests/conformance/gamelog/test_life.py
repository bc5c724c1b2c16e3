"""What is left when a process dies in the middle of its work, and when events have grown old."""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from grpc import aio
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from tests.conformance.database import Environments
from tests.support.events import Log, append, batches, event, every, hour_ago, ids, new_id
from tests.support.log_positions import grow_old
from tests.support.service import Service, running


async def of_player(log: Log, player_id: str) -> list[pb.Event]:
    return await every(log, pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player_id), page_size=1000))


async def test_what_a_killed_process_has_acknowledged_is_all_there_and_a_repeat_doubles_nothing(
    log: Log, environments: Environments, logs: Path
) -> None:
    player = new_id()
    events = [event("kill", player_id=player, time=hour_ago(), n=n) for n in range(6000)]
    parts = [events[begin : begin + 100] for begin in range(0, 5000, 100)]
    acknowledged: list[pb.Event] = []
    directory = logs / "killed"
    directory.mkdir(exist_ok=True)
    service = Service("gamelog", environments["gamelog"], directory / "gamelog.log")
    await service.start()
    doomed: Log = GameLogServiceStub(service.channel)

    async def caller(part: list[pb.Event]) -> None:
        await append(doomed, *part)
        acknowledged.extend(part)

    calls = [asyncio.create_task(caller(part)) for part in parts]
    stream = doomed.AppendEventStream(batches(events[5000:], size=10))
    async with asyncio.timeout(30):
        while len(acknowledged) < 300:
            await asyncio.sleep(0.001)
    await service.stop(signal.SIGKILL)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(end, aio.AioRpcError) for end in ended), "it was killed too late"
    with suppress(aio.AioRpcError):
        await stream
    await service.channel.close()

    assert set(ids(acknowledged)) <= set(ids(await of_player(log, player)))
    again = [await append(log, *events[begin : begin + 1000]) for begin in range(0, 6000, 1000)]
    assert sum(answer.stored + len(answer.not_stored) for answer in again) == 6000
    assert all(one.outcome == pb.APPEND_OUTCOME_DUPLICATE for answer in again for one in answer.not_stored)
    assert sorted(ids(await of_player(log, player))) == sorted(ids(events))
    if url := environments["gamelog"].get("MONGODB_URL"):
        # The tests that follow the log need not wait for what the dead one had begun.
        await grow_old(url)


async def test_events_go_when_their_retention_is_over_and_their_ids_are_free_then(
    log: Log, environments: Environments, logs: Path
) -> None:
    player, now = new_id(), datetime.now(UTC)
    old = [event("old", player_id=player, time=now - timedelta(days=days)) for days in (3.1, 10, 29)]
    young = [event("young", player_id=player, time=now - timedelta(days=days)) for days in (0.9, 0)]
    await append(log, *old, *young)
    directory = logs / "short"
    directory.mkdir(exist_ok=True)
    async with running("gamelog", {**environments["gamelog"], "RETENTION_DAYS": "1"}, directory):
        async with asyncio.timeout(100):
            while len(await of_player(log, player)) > 2:
                await look_for_old_ones(environments["gamelog"])
                await asyncio.sleep(0.5)
        assert sorted(ids(await of_player(log, player))) == sorted(ids(young))
        async with asyncio.timeout(100):
            while await known(environments["gamelog"], old):
                await asyncio.sleep(0.5)
    # Those of 30 days again: another one would be refused as too old.
    assert (await append(log, *old, *young)).stored == 3


async def look_for_old_ones(environment: Any) -> None:
    """Does now what MongoDB does once a minute, where the server can be told to."""
    if environment["DATABASE_TYPE"] == "mongodb":
        server = environment["MONGODB_URL"].partition("?")[0]
        async with AsyncMongoClient[Any](server, directConnection=True) as client:
            with suppress(OperationFailure):
                await client.admin.command("secantusAdmin.pruneTtl")


async def known(environment: Any, events: list[pb.Event]) -> bool:
    """Whether an id of these is still kept apart from its event, as in PostgreSQL."""
    if environment["DATABASE_TYPE"] == "mongodb":
        return False
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
        found = await connection.execute("SELECT FROM event_ids WHERE event_id = ANY(%s::uuid[])", [ids(events)])
        return found.rowcount > 0
