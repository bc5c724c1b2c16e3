"""AppendEvents and AppendEventStream: what is stored, and that it is stored once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from savepoint.gamelog.v1 import gamelog_pb2 as pb

from tests.support.errors import failure
from tests.support.events import Log, Tail, append, at, batches, event, every, hour_ago, ids, new_id

DUPLICATE, CONFLICT = pb.APPEND_OUTCOME_DUPLICATE, pb.APPEND_OUTCOME_CONFLICT


async def of_player(log: Log, player_id: str) -> list[pb.Event]:
    return await every(
        log, pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player_id), order=pb.EVENT_ORDER_OLDEST_FIRST)
    )


async def test_an_event_comes_back_as_it_was_sent(log: Log) -> None:
    player, match, time = new_id(), new_id(), hour_ago() + timedelta(microseconds=123_457)
    sent = event("match.goal", player_id=player, match_id=match, time=time)
    sent.payload.update(
        {
            **{
                "minute": 90,
                "xg": 0.07,
                "text": 'é \U0001f9ea "\\',
                "flags": [True, None, {"deep": [1, 2.5]}],
                "empty": {},
            },
            **{"huge": 1e300, "tiny": 5e-324, "a.b": 1, "$set": {"$x.y": "z"}, "": 0},
        }
    )
    bare = event("x", player_id=player, time=time + timedelta(seconds=1))
    answer = await append(log, sent, bare)
    assert (answer.stored, len(answer.not_stored)) == (2, 0)
    assert await of_player(log, player) == [sent, bare]


async def test_a_payload_that_looks_like_a_reference_to_a_document_comes_back_too(log: Log) -> None:
    player = new_id()
    payloads: list[dict[str, Any]] = [
        {"$ref": "players", "$id": "ann"},
        {"of": [{"$ref": "players", "$id": "ann", "$db": None}], "$db": None},
        {"by": [{"$ref": "players", "$id": {"$ref": "x", "$id": None}, "$db": "y", "more": 1}], "$ref": 5},
    ]
    sent = []
    for hours, payload in enumerate(payloads, 1):
        sent.append(event("odd", player_id=player, time=hour_ago(-hours)))
        sent[-1].payload.update(payload)
    async with Tail(log, player_id=player) as tail:
        await append(log, *sent)
        assert await tail.until(len(sent)) == sent
    assert await of_player(log, player) == sent


async def test_an_event_without_a_time_happened_when_it_came(log: Log) -> None:
    player, before = new_id(), datetime.now(UTC)
    await append(log, event("login", player_id=player))
    [found] = await of_player(log, player)
    assert before - timedelta(seconds=1) < found.time.ToDatetime(UTC) < datetime.now(UTC) + timedelta(seconds=1)


async def test_the_same_event_again_is_a_duplicate_with_or_without_a_time(log: Log) -> None:
    player = new_id()
    events = [event("a", player_id=player, time=hour_ago(), n=1), event("b", player_id=player, n=2, m={"x": 1, "y": 2})]
    await append(log, *events)
    stored = await of_player(log, player)
    again = await append(log, *events)
    assert again.stored == 0
    assert [(one.index, one.event_id, one.outcome) for one in again.not_stored] == [
        (0, events[0].event_id, DUPLICATE),
        (1, events[1].event_id, DUPLICATE),
    ]
    assert await of_player(log, player) == stored


@pytest.mark.parametrize("change", ["type", "player_id", "match_id", "time", "payload"])
async def test_another_event_under_the_same_id_is_a_conflict_and_changes_nothing(log: Log, change: str) -> None:
    player = new_id()
    first = event("a", player_id=player, time=hour_ago(), n=1)
    await append(log, first)
    other = pb.Event()
    other.CopyFrom(first)
    match change:
        case "type":
            other.type = "b"
        case "time":
            # On another day, too: an id is known over all days.
            other.time.CopyFrom(at(hour_ago(49)))
        case "payload":
            other.payload["n"] = 2
        case name:
            setattr(other, name, new_id())
    fresh = event("c", player_id=player, time=hour_ago())
    answer = await append(log, other, fresh)
    assert answer.stored == 1
    assert [(one.index, one.event_id, one.outcome) for one in answer.not_stored] == [(0, first.event_id, CONFLICT)]
    assert sorted(ids(await of_player(log, player))) == sorted(ids([first, fresh]))
    assert first in await of_player(log, player)


async def test_of_two_events_with_one_id_in_a_batch_the_first_counts(log: Log) -> None:
    player = new_id()
    first = event("a", player_id=player, time=hour_ago(), n=1)
    other = event("a", event_id=first.event_id.upper(), player_id=player, time=hour_ago(), n=2)
    answer = await append(log, first, first, other)
    assert answer.stored == 1
    assert [(one.index, one.outcome) for one in answer.not_stored] == [(1, DUPLICATE), (2, CONFLICT)]
    assert await of_player(log, player) == [first]


async def test_the_same_ids_from_many_callers_at_once_are_stored_once(log: Log) -> None:
    player = new_id()
    events = [event("race", player_id=player, time=hour_ago(), n=n) for n in range(50)]

    async def caller(number: int) -> pb.AppendEventsResponse:
        # Each in another order: nobody may wait for another in a circle.
        turned = events[number:] + events[:number] if number % 2 else events[::-1]
        return await append(log, *turned)

    answers = await asyncio.gather(*(caller(number) for number in range(20)))
    assert sum(answer.stored for answer in answers) == 50
    outcomes = Counter(one.outcome for answer in answers for one in answer.not_stored)
    assert outcomes == {DUPLICATE: 19 * 50}
    assert sorted(ids(await of_player(log, player))) == sorted(ids(events))


async def test_different_events_that_race_for_one_id_leave_one_of_them(log: Log) -> None:
    player, event_id = new_id(), new_id()
    events = [event("race", event_id=event_id, player_id=player, time=hour_ago(n + 1), n=n) for n in range(20)]
    answers = await asyncio.gather(*(append(log, one) for one in events))
    assert sum(answer.stored for answer in answers) == 1
    assert [one.outcome for answer in answers for one in answer.not_stored] == [CONFLICT] * 19
    [winner] = [one for one, answer in zip(events, answers, strict=True) if answer.stored]
    assert await of_player(log, player) == [winner]


async def test_events_on_many_days_are_found(log: Log) -> None:
    player = new_id()
    days = [event("day", player_id=player, time=datetime.now(UTC) - timedelta(days=n, hours=1), n=n) for n in range(29)]
    days.append(event("day", player_id=player, time=datetime.now(UTC) + timedelta(hours=23)))
    assert (await append(log, *days)).stored == 30
    assert (await append(log, *days)).stored == 0
    assert await of_player(log, player) == sorted(days, key=lambda one: one.time.ToNanoseconds())


async def test_a_stream_stores_its_batches_and_counts(log: Log) -> None:
    player = new_id()
    events = [event("bulk", player_id=player, time=hour_ago() + timedelta(seconds=n), n=n) for n in range(3500)]
    answer = await log.AppendEventStream(batches(events), timeout=60)
    assert (answer.stored, answer.duplicates, answer.conflicts) == (3500, 0, 0)
    assert await of_player(log, player) == events

    events[2500].payload["n"] = -1
    events.append(event("bulk", player_id=player, time=hour_ago(), n=0))
    answer = await log.AppendEventStream(batches(events), timeout=60)
    assert (answer.stored, answer.duplicates, answer.conflicts) == (1, 3499, 1)
    assert [(one.request, one.index, one.event_id) for one in answer.first_conflicts] == [
        (2, 500, events[2500].event_id)
    ]


async def test_a_stream_without_messages_is_fine(log: Log) -> None:
    assert (await log.AppendEventStream(batches([]), timeout=10)) == pb.AppendEventStreamResponse()


async def test_a_stream_that_breaks_can_be_sent_again(log: Log) -> None:
    player = new_id()
    events = [event("bulk", player_id=player, time=hour_ago(), n=n) for n in range(1000)]
    call = log.AppendEventStream(timeout=30)
    async for message in batches(events[:600], size=100):
        await call.write(message)
    call.cancel()
    answer = await log.AppendEventStream(batches(events, size=100), timeout=30)
    assert answer.stored + answer.duplicates == 1000
    assert sorted(ids(await of_player(log, player))) == sorted(ids(events))


async def test_a_bad_event_in_a_stream_is_named_and_what_came_before_it_is_stored(log: Log) -> None:
    player = new_id()
    good = [event("bulk", player_id=player, time=hour_ago(), n=n) for n in range(4)]
    bad = [event("bulk", player_id=player), event("Not a type", player_id=player)]
    failed = await failure(log.AppendEventStream(batches([*good, *bad], size=2), timeout=20))
    assert (failed.code, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "requests[2].events[1].type")
    assert set(ids(await of_player(log, player))) <= set(ids(good))
    empty = await failure(log.AppendEventStream(iter([pb.AppendEventStreamRequest()]), timeout=20))
    assert empty.field == "requests[0].events"


def deep(levels: int) -> Struct:
    made = Struct()
    inner = made
    for _ in range(levels - 1):
        inner = inner.get_or_create_struct("x")
    return made


BAD: dict[str, tuple[pb.Event, str]] = {
    "no id": (pb.Event(type="a"), "event_id"),
    "an id that is none": (pb.Event(event_id="7", type="a"), "event_id"),
    "no type": (event(""), "type"),
    "a type in capitals": (event("Goal"), "type"),
    "a type too long": (event("x" * 65), "type"),
    "a player that is none": (event("a", player_id=""), "player_id"),
    "a match that is none": (event("a", match_id="x"), "match_id"),
    "a time too long ago": (event("a", time=datetime.now(UTC) - timedelta(days=30, hours=1)), "time"),
    "a time too far ahead": (event("a", time=datetime.now(UTC) + timedelta(days=1, hours=2)), "time"),
    "a payload too large": (event("a", x="x" * 16_384), "payload"),
    "a payload with infinity": (event("a", x=float("inf")), "payload.x"),
    "a payload with NUL": (event("a", x="\0"), "payload.x"),
    "a payload too deep": (pb.Event(event_id=new_id(), type="a", payload=deep(17)), "payload"),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_event_is_named_and_nothing_of_its_batch_is_stored(log: Log, what: str) -> None:
    bad, field = BAD[what]
    player = new_id()
    failed = await failure(append(log, event("good", player_id=player), bad, event("good", player_id=player)))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert failed.field == f"events[1].{field}"
    assert await of_player(log, player) == []


async def test_a_payload_as_large_and_as_deep_as_can_be_is_stored(log: Log) -> None:
    player = new_id()
    large = event("a", player_id=player, time=hour_ago(), x="x" * (16 * 1024 - 8))
    deepest = pb.Event(event_id=new_id(), type="a", player_id=player, time=at(hour_ago(2)), payload=deep(16))
    assert (await append(log, large, deepest)).stored == 2
    assert await of_player(log, player) == [deepest, large]


async def test_none_and_too_many_events_are_refused(log: Log) -> None:
    assert (await failure(append(log))).field == "events"
    assert (await failure(append(log, *[event("a")] * 1001))).field == "events"
