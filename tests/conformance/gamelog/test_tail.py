"""TailEvents: what is stored is sent, all of it and in order, by whichever process it comes."""

import asyncio
import random
from pathlib import Path

import grpc
import pytest
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from services.gamelog.events.types import LOG_POSITION, LogPosition
from shared.contract.paging import Pages
from tests.conformance.database import Environments
from tests.support.errors import failure
from tests.support.events import Log, Tail, append, event, hour_ago, ids, new_id
from tests.support.service import running


async def test_events_come_in_the_order_in_which_they_were_stored(log: Log) -> None:
    player = new_id()
    # Their times run the other way.
    events = [event("t", player_id=player, time=hour_ago(n + 1), n=n) for n in range(30)]
    async with Tail(log, player_id=player) as tail:
        for begin in range(0, 30, 3):
            await append(log, *events[begin : begin + 3])
        assert await tail.until(30) == events


async def test_only_what_fits_is_sent(log: Log) -> None:
    player, match = new_id(), new_id()
    wanted = [event("a", player_id=player, match_id=match, n=n) for n in range(5)]
    others = [
        event("b", player_id=player, match_id=match),
        event("a", player_id=new_id(), match_id=match),
        event("a", player_id=player),
        event("a"),
    ]
    async with Tail(log, player_id=player, match_id=match, types=["a", "c"]) as tail:
        await append(log, *others, *wanted, *others)
        assert ids(await tail.until(5)) == ids(wanted)
        await append(log, event("a", player_id=player, match_id=match, event_id=(last := new_id())))
        assert ids(await tail.until(6))[5:] == [last]


async def test_a_duplicate_is_not_sent_again(log: Log) -> None:
    player = new_id()
    first, second = event("a", player_id=player, n=1), event("a", player_id=player, n=2)
    async with Tail(log, player_id=player) as tail:
        await append(log, first)
        await append(log, first, second)
        assert ids(await tail.until(2)) == ids([first, second])


async def test_a_reader_goes_on_where_it_was(log: Log) -> None:
    player = new_id()
    events = [event("a", player_id=player, n=n) for n in range(1500)]
    async with Tail(log, player_id=player) as tail:
        await append(log, *events[:10])
        await tail.until(10)
        token = tail.token
    await append(log, *events[10:1000])
    await append(log, *events[1000:])
    # Another filter does not matter: the token is a place in the log.
    async with Tail(log, token, types=["a"], player_id=player) as tail:
        assert ids(await tail.until(1490)) == ids(events[10:])


async def test_large_events_come_in_several_answers_that_each_can_be_resumed_after(log: Log) -> None:
    player = new_id()
    events = [event("a", player_id=player, x="x" * 16_000, n=n) for n in range(400)]
    async with Tail(log, player_id=player) as tail:
        for begin in range(0, 400, 200):
            await append(log, *events[begin : begin + 200])
        while not await tail.read():
            pass
        assert 0 < len(tail.seen) < 400
        seen, token = list(tail.seen), tail.token
    async with Tail(log, token, player_id=player) as tail:
        assert ids(seen + await tail.until(400 - len(seen))) == ids(events)


async def test_none_is_missed_and_none_comes_twice_while_many_write_through_two_replicas(
    log: Log, environments: Environments, logs: Path
) -> None:
    # Batches of all sizes, so that writes that begin later end sooner.
    kind, rng = f"race.{new_id()[:8]}", random.Random(3)
    sent: list[str] = []
    directory = logs / "second"
    directory.mkdir(exist_ok=True)
    async with running("gamelog", environments["gamelog"], directory) as second:
        other: Log = GameLogServiceStub(second.channel)

        async def writer(number: int) -> None:
            for n in range(6):
                events = [event(kind, n=n) for _ in range(rng.choice((1, 1, 2, 50, 400)))]
                await append(log if (number + n) % 2 else other, *events)
                sent.extend(ids(events))
                await asyncio.sleep(rng.random() / 20)

        async with Tail(log, types=[kind]) as here, Tail(other, types=[kind]) as there:
            await asyncio.gather(*(writer(number) for number in range(12)))
            for tail in (here, there):
                seen = ids(await tail.until(len(sent), within_s=60))
                assert len(seen) == len(set(seen)) == len(sent)
                assert set(seen) == set(sent)
            assert ids(here.seen) == ids(there.seen)


async def test_what_was_no_resume_token_is_refused(log: Log) -> None:
    token = (await log.QueryEvents(pb.QueryEventsRequest(page_size=1))).next_page_token
    for bad in ("", "x", token, "é", "x" * 2000):
        failed = await failure(log.TailEvents(pb.TailEventsRequest(resume_token=bad)).read())
        assert (failed.code, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "resume_token")
    failed = await failure(log.TailEvents(pb.TailEventsRequest(filter=pb.EventFilter(types=["A"]))).read())
    assert failed.field == "filter.types[0]"


async def test_a_token_from_beyond_the_end_of_the_log_is_refused(log: Log) -> None:
    # As one is after the database was replaced by an older copy.
    beyond = Pages("TailEvents").token(LogPosition(2**40, 0), LOG_POSITION)
    failed = await failure(log.TailEvents(pb.TailEventsRequest(resume_token=beyond)).read())
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "resume_token")


async def test_more_readers_than_are_allowed_are_told_so(environments: Environments, logs: Path) -> None:
    directory = logs / "few"
    directory.mkdir(exist_ok=True)
    async with running("gamelog", {**environments["gamelog"], "MOST_TAILS": "2"}, directory) as few:
        log: Log = GameLogServiceStub(few.channel)
        async with Tail(log):
            async with Tail(log):
                failed = await failure(log.TailEvents(pb.TailEventsRequest()).read())
                assert failed.reason == "OVERLOADED"
            for _ in range(50):
                # The room comes free when the service hears that one has gone.
                try:
                    async with Tail(log):
                        return
                except AssertionError:
                    await asyncio.sleep(0.05)
        pytest.fail("the room of a reader who left did not come free")


async def test_a_reader_who_reads_slowly_misses_nothing(log: Log) -> None:
    kind = f"slow.{new_id()[:8]}"
    events = [event(kind, x="x" * 8_000, n=n) for n in range(1200)]
    async with Tail(log, types=[kind]) as tail:
        for begin in range(0, 1200, 200):
            await append(log, *events[begin : begin + 200])
        await asyncio.sleep(1)
        assert ids(await tail.until(1200, within_s=60)) == ids(events)
