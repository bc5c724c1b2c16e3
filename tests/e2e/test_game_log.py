"""The game log through the gateway: its store is killed in the middle of the work, and its streams outlast calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from grpc import aio
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from deploy.local import embedded
from deploy.local.embedded import RunningStack
from shared.contract.consistency import KEY
from tests.support.events import Log, Tail, append, event, every, ids, new_id
from tests.support.service import migrate, running

# The gateway ends any other call after 35 s.
LONGER_THAN_CALLS_S = 37
BATCH = 50


@pytest.mark.parametrize(("kind", "store"), [("postgresql", "postgres"), ("mongodb", "mongodb")])
async def test_what_was_acknowledged_outlives_a_killed_store_and_readers_miss_none(
    tmp_path: Path, kind: str, store: str
) -> None:
    async with (
        embedded.stack(tmp_path, gamelog_database_type=kind) as stack,
        aio.insecure_channel(stack.gateway) as channel,
    ):
        log: Log = GameLogServiceStub(channel)
        player = new_id()
        events = [event("kill", player_id=player, n=n) for n in range(3000)]
        parts = [events[begin : begin + BATCH] for begin in range(0, len(events), BATCH)]
        acknowledged: list[pb.Event] = []

        async def caller(mine: list[list[pb.Event]]) -> None:
            for part in mine:
                # What fails is sent again below.
                with suppress(aio.AioRpcError):
                    await append(log, *part)
                    acknowledged.extend(part)

        async with Tail(log, player_id=player) as tail:
            token = tail.token
        callers = [asyncio.create_task(caller(parts[number::8])) for number in range(8)]
        async with asyncio.timeout(60):
            while len(acknowledged) < 300:
                await asyncio.sleep(0.005)
        await stack.kill(store)
        assert len(acknowledged) < len(events), "it was killed too late"
        await asyncio.gather(*callers)
        await stack.serving("gamelog")

        found = await every(log, pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player), page_size=1000))
        assert set(ids(acknowledged)) <= set(ids(found))
        answers = [await append(log, *events[begin : begin + 500]) for begin in range(0, 3000, 500)]
        assert sum(answer.stored for answer in answers) == 3000 - len(found)
        assert {one.outcome for answer in answers for one in answer.not_stored} == {pb.APPEND_OUTCOME_DUPLICATE}
        async with Tail(log, token, player_id=player) as tail:
            # In MongoDB, writes whose end nobody knows hold readers up for half a minute.
            seen = ids(await tail.until(3000, within_s=60))
        assert sorted(seen) == sorted(ids(events))


async def test_streams_outlast_the_longest_call(suite: RunningStack, gateway: aio.Channel) -> None:
    log: Log = GameLogServiceStub(gateway)
    player = new_id()
    events = [event("long", player_id=player, n=n) for n in range(2)]

    async def slowly() -> AsyncIterator[pb.AppendEventStreamRequest]:
        for one in events:
            yield pb.AppendEventStreamRequest(events=[one])
            if one is events[0]:
                await asyncio.sleep(LONGER_THAN_CALLS_S)

    async with Tail(log, player_id=player) as tail:
        answer = await log.AppendEventStream(slowly())
        assert answer.stored == 2
        assert ids(await tail.until(2)) == ids(events)


async def test_a_query_that_brings_the_append_s_token_sees_it_on_a_replica(tmp_path: Path) -> None:
    async with embedded.stores(tmp_path, replication_mode="replica") as stores:
        environment = stores.game_log().settings
        assert environment["DATABASE_REPLICA_URLS"]
        await migrate("gamelog", environment)
        async with running("gamelog", environment, tmp_path) as service:
            log: Log = GameLogServiceStub(service.channel)
            player = new_id()
            async with Tail(log, player_id=player) as tail:
                for count in range(1, 30):
                    call = log.AppendEvents(pb.AppendEventsRequest(events=[event("a", player_id=player)]))
                    await call
                    token = [(key, value) for key, value in await call.trailing_metadata() if key == KEY]
                    request = pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player))
                    assert len((await log.QueryEvents(request, metadata=token)).events) == count
                await tail.until(29)
            # They were asked: the primary would have answered as well.
            assert 'store="postgresql_replica_1"' in await service.scrape()
