"""AggregateEvents: the same as Python makes of the same events."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from savepoint.gamelog.v1 import gamelog_pb2 as pb

from tests.support.errors import failure
from tests.support.events import Log, append, at, event, hour_ago, new_id

START = hour_ago(30)
Key = tuple[datetime, str]


async def every(log: Log, request: pb.AggregateEventsRequest) -> list[pb.Aggregate]:
    found: list[pb.Aggregate] = []
    while True:
        page = await log.AggregateEvents(request, timeout=30)
        found += page.aggregates
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def number_at(payload: Any, path: str) -> float | None:
    for part in path.split("."):
        if not hasattr(payload, "fields") or part not in payload.fields:
            return None
        value = payload.fields[part]
        payload = value.struct_value if value.HasField("struct_value") else None
    return float(value.number_value) if value.HasField("number_value") else None


def bucket_of(one: pb.Event, seconds: int) -> datetime:
    return datetime.fromtimestamp(one.time.ToSeconds() // seconds * seconds, UTC)


def check(found: Sequence[pb.Aggregate], events: Sequence[pb.Event], seconds: int | None, path: str) -> None:
    """Compares with what Python makes of the events: counts and ends exactly, sums as the contract promises."""
    groups: defaultdict[Key, list[pb.Event]] = defaultdict(list)
    for member in events:
        groups[bucket_of(member, seconds) if seconds else START, member.type].append(member)
    assert [(one.bucket_time.ToDatetime(UTC), one.type) for one in found] == sorted(groups)
    for one in found:
        members = groups[one.bucket_time.ToDatetime(UTC), one.type]
        numbers = [number for member in members if (number := number_at(member.payload, path)) is not None]
        assert (one.count, one.values) == (len(members), len(numbers))
        if not numbers:
            assert not any(one.HasField(name) for name in ("sum", "avg", "min", "max"))
            continue
        assert (one.min, one.max) == (min(numbers), max(numbers))
        total = math.fsum(numbers)
        if all(number.is_integer() for number in numbers) and sum(map(abs, numbers)) <= 2**53:
            assert one.sum == total
        assert abs(one.sum - total) <= 1e-12 * math.fsum(map(abs, numbers))
        assert one.avg == one.sum / len(numbers)


@pytest.fixture(scope="module")
def player() -> str:
    return new_id()


@pytest.fixture(scope="module")
def world(player: str) -> list[pb.Event]:
    rng = random.Random(11)
    values: list[Any] = [
        lambda: rng.randrange(-1000, 1000),
        lambda: rng.uniform(-1e6, 1e6),
        lambda: 0.1 * rng.randrange(100),
        lambda: rng.uniform(-1, 1) * 10 ** rng.randrange(-300, 12),
        lambda: rng.choice(["7", True, None, [1, 2], {"damage": 5}]),
    ]
    return [
        event(
            rng.choice(["hit", "heal", "miss"]),
            player_id=player,
            time=START + timedelta(seconds=rng.randrange(6 * 3600), microseconds=rng.randrange(1_000_000)),
            damage=rng.choice(values)(),
            whole=rng.randrange(2**40),
            weapon={"damage": rng.randrange(100), "list": [{"damage": 1}]} if rng.random() < 0.8 else "fist",
            items=[{"damage": 9}],
        )
        for _ in range(900)
    ]


@pytest.fixture
async def there(log: Log, world: list[pb.Event]) -> list[pb.Event]:
    await append(log, *world)
    return world


@pytest.mark.parametrize("seconds", [60, 3600, 86_400, 7, None])
@pytest.mark.parametrize("path", ["damage", "whole", "weapon.damage", "items.damage", "weapon.list.damage", "nothing"])
async def test_it_is_what_python_makes_of_the_same_events(
    log: Log, there: list[pb.Event], player: str, seconds: int | None, path: str
) -> None:
    request = pb.AggregateEventsRequest(
        filter=pb.EventFilter(player_id=player),
        start_time=at(START),
        end_time=at(START + timedelta(hours=6)),
        bucket_seconds=seconds,
        value_field=path,
    )
    check(await every(log, request), there, seconds, path)


async def test_without_a_field_events_are_counted(log: Log, there: list[pb.Event], player: str) -> None:
    request = pb.AggregateEventsRequest(
        filter=pb.EventFilter(player_id=player), start_time=at(START), bucket_seconds=3600
    )
    check(await every(log, request), there, 3600, "nothing")


async def test_pages_hold_each_aggregate_once(log: Log, there: list[pb.Event], player: str) -> None:
    for seconds in (60, None):
        request = pb.AggregateEventsRequest(
            filter=pb.EventFilter(player_id=player), bucket_seconds=seconds, value_field="whole", page_size=1000
        )
        if seconds:
            request.start_time.CopyFrom(at(START))
            request.end_time.CopyFrom(at(START + timedelta(hours=6)))
        whole = await every(log, request)
        request.page_token = ""
        request.page_size = 7 if seconds else 2
        paged = await every(log, request)
        if not seconds:
            # The times of a request that names none are those of its first page.
            assert len({one.bucket_time.ToNanoseconds() for one in paged}) == 1
            for one in (*whole, *paged):
                one.ClearField("bucket_time")
        assert paged == whole


async def test_a_filter_narrows_what_is_counted(log: Log, there: list[pb.Event], player: str) -> None:
    match = new_id()
    events = [event(kind, match_id=match, time=START, damage=n) for n, kind in enumerate("aabbbc")]
    await append(log, *events)
    for wanted, expected in (
        (pb.EventFilter(match_id=match), events),
        (pb.EventFilter(match_id=match, types=["a", "c"]), [*events[:2], events[5]]),
        (pb.EventFilter(match_id=match, player_id=player), []),
        (pb.EventFilter(player_id=player, types=["hit"]), [one for one in there if one.type == "hit"]),
    ):
        request = pb.AggregateEventsRequest(filter=wanted, start_time=at(START), value_field="damage")
        check(await every(log, request), expected, None, "damage")


async def test_sums_of_integers_are_exact_up_to_2_53_and_infinite_beyond_the_largest_double(log: Log) -> None:
    player = new_id()
    numbers: dict[str, list[float]] = {
        "int": [2**52, 2**52 - 1, 1],
        "tenth": [0.1] * 10,
        "huge": [1.7e308, 1.7e308],
        "large": [2.0**60, 1.5],
    }
    events = [event(kind, player_id=player, time=START, n=n) for kind, values in numbers.items() for n in values]
    await append(log, *events)
    request = pb.AggregateEventsRequest(filter=pb.EventFilter(player_id=player), start_time=at(START), value_field="n")
    found = {one.type: one for one in await every(log, request)}
    assert found["int"].sum == 2**53
    assert found["tenth"].sum == pytest.approx(1.0, rel=1e-12)
    assert (found["huge"].sum, found["huge"].max) == (math.inf, 1.7e308)
    assert (found["large"].min, found["large"].max) == (1.5, 2.0**60)


async def test_too_many_buckets_are_refused(log: Log) -> None:
    request = pb.AggregateEventsRequest(bucket_seconds=1, start_time=at(START))
    request.end_time.CopyFrom(at(START + timedelta(seconds=10_000)))
    await log.AggregateEvents(request)
    request.end_time.CopyFrom(at(START + timedelta(seconds=10_000, microseconds=1)))
    failed = await failure(log.AggregateEvents(request))
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "bucket_seconds")
    # 31 days of minutes, where the request names no times.
    assert (await failure(log.AggregateEvents(pb.AggregateEventsRequest(bucket_seconds=60)))).field == "bucket_seconds"


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "0", "a.0", "a b", "é", "$a", "a'", "x" * 257, "-1"])
async def test_a_field_that_cannot_be_named_is_refused(log: Log, path: str) -> None:
    failed = await failure(log.AggregateEvents(pb.AggregateEventsRequest(value_field=path)))
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "value_field")


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 366 * 86_400 + 1, 2**31 - 1])
async def test_a_bucket_that_is_too_short_or_too_long_is_refused(log: Log, seconds: int) -> None:
    failed = await failure(log.AggregateEvents(pb.AggregateEventsRequest(bucket_seconds=seconds)))
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "bucket_seconds")


async def test_the_longest_bucket_is_taken(log: Log) -> None:
    await log.AggregateEvents(pb.AggregateEventsRequest(bucket_seconds=366 * 86_400))
