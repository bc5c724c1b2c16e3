"""QueryEvents: by player, match, types and time, in both orders, page by page."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from savepoint.gamelog.v1 import gamelog_pb2 as pb

from tests.support.errors import failure
from tests.support.events import Log, append, at, event, every, hour_ago, ids, new_id, pages

START = hour_ago(48)
PLAYERS, MATCHES, TYPES = [new_id() for _ in range(3)], [new_id() for _ in range(3)], ["q.a", "q.b", "null"]


def key(one: pb.Event) -> tuple[int, str]:
    return one.time.ToNanoseconds(), one.event_id


@pytest.fixture(scope="module")
def world() -> list[pb.Event]:
    """Events of a few players, matches and types; many at the same moments, over three days."""
    rng = random.Random(7)
    return [
        event(
            rng.choice(TYPES),
            player_id=rng.choice([*PLAYERS, None]),
            match_id=rng.choice([*MATCHES, None]),
            time=START + timedelta(hours=rng.randrange(48), microseconds=rng.randrange(2)),
            n=n,
        )
        for n in range(400)
    ]


@pytest.fixture
async def there(log: Log, world: list[pb.Event]) -> list[pb.Event]:
    await append(log, *world)
    return sorted(world, key=key)


FILTERS: dict[str, pb.EventFilter] = {
    "a player": pb.EventFilter(player_id=PLAYERS[0]),
    "a player in capitals": pb.EventFilter(player_id=PLAYERS[0].upper()),
    "a match": pb.EventFilter(match_id=MATCHES[1]),
    "a type": pb.EventFilter(types=["null"]),
    "types, one twice": pb.EventFilter(types=["q.b", "q.a", "q.b", "q.nothing"]),
    "a player in a match": pb.EventFilter(player_id=PLAYERS[1], match_id=MATCHES[1]),
    "types of a player": pb.EventFilter(player_id=PLAYERS[1], types=["q.a", "null"]),
    "a type of a match": pb.EventFilter(match_id=MATCHES[2], types=["q.a"]),
    "all three": pb.EventFilter(player_id=PLAYERS[2], match_id=MATCHES[0], types=["q.a", "q.b"]),
    "nobody": pb.EventFilter(player_id=new_id()),
}


def fits(one: pb.Event, wanted: pb.EventFilter) -> bool:
    return (
        (not wanted.HasField("player_id") or one.player_id == wanted.player_id.lower())
        and (not wanted.HasField("match_id") or one.match_id == wanted.match_id)
        and (not wanted.types or one.type in wanted.types)
    )


@pytest.mark.parametrize("order", [pb.EVENT_ORDER_NEWEST_FIRST, pb.EVENT_ORDER_OLDEST_FIRST])
@pytest.mark.parametrize("what", FILTERS)
async def test_a_filter_finds_what_fits_in_order_page_by_page(
    log: Log, there: list[pb.Event], what: str, order: pb.EventOrder
) -> None:
    wanted = FILTERS[what]
    expected = [one for one in there if fits(one, wanted)]
    if order == pb.EVENT_ORDER_NEWEST_FIRST:
        expected.reverse()
    assert await every(log, pb.QueryEventsRequest(filter=wanted, order=order, page_size=1000)) == expected
    found = await pages(log, pb.QueryEventsRequest(filter=wanted, order=order, page_size=7))
    assert [one for page in found for one in page] == expected
    assert all(len(page) == 7 for page in found[:-1])


@pytest.mark.parametrize("order", [pb.EVENT_ORDER_UNSPECIFIED, pb.EVENT_ORDER_OLDEST_FIRST])
async def test_times_are_from_the_start_on_and_before_the_end(
    log: Log, there: list[pb.Event], order: pb.EventOrder
) -> None:
    for start, end in ((10, 20), (0, 1), (23, 49)):
        begins, ends = START + timedelta(hours=start), START + timedelta(hours=end, microseconds=1)
        # Without a filter, the log has others' events too.
        request = pb.QueryEventsRequest(start_time=at(begins), end_time=at(ends), order=order, page_size=50)
        expected = [one for one in there if at(begins).ToNanoseconds() <= key(one)[0] < at(ends).ToNanoseconds()]
        found = await every(log, request)
        assert sorted(found, key=key) == (found if order else found[::-1])
        assert [one for one in found if one.type in TYPES] == (expected if order else expected[::-1])
        request = pb.QueryEventsRequest(
            filter=pb.EventFilter(types=TYPES), start_time=at(begins), end_time=at(ends), order=order
        )
        assert await every(log, request) == (expected if order else expected[::-1])
    nothing = pb.QueryEventsRequest(end_time=at(START - timedelta(days=20)), filter=pb.EventFilter(types=TYPES))
    assert await every(log, nothing) == []


async def test_pages_of_large_events_end_early_and_miss_none(log: Log) -> None:
    player = new_id()
    events = [event("large", player_id=player, time=hour_ago(), x="x" * 16_000, n=n) for n in range(500)]
    for begin in range(0, 500, 100):
        await append(log, *events[begin : begin + 100])
    found = await pages(log, pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player), page_size=1000))
    assert 2 <= len(found) <= 4
    assert all(sum(one.ByteSize() for one in page) < 3.5 * 1024 * 1024 for page in found)
    assert sorted(ids(one for page in found for one in page)) == sorted(ids(events))


async def test_what_cannot_be_asked_is_refused_by_its_field(log: Log) -> None:
    token = (await log.QueryEvents(pb.QueryEventsRequest(page_size=1))).next_page_token
    now = hour_ago()
    cases = {
        "filter.player_id": pb.QueryEventsRequest(filter=pb.EventFilter(player_id="x")),
        "filter.match_id": pb.QueryEventsRequest(filter=pb.EventFilter(match_id="")),
        "filter.types[1]": pb.QueryEventsRequest(filter=pb.EventFilter(types=["a", "A"])),
        "filter.types": pb.QueryEventsRequest(filter=pb.EventFilter(types=["a"] * 21)),
        "end_time": pb.QueryEventsRequest(start_time=at(now), end_time=at(now)),
        "page_size": pb.QueryEventsRequest(page_size=-1),
        "page_token": pb.QueryEventsRequest(page_token=token, order=pb.EVENT_ORDER_OLDEST_FIRST),
        "order": pb.QueryEventsRequest(order=3),  # type: ignore[arg-type]
    }
    for field, request in cases.items():
        failed = await failure(log.QueryEvents(request))
        assert (failed.reason, failed.field) == ("FIELD_INVALID", field)


async def test_times_that_do_not_go_together_are_told_by_what_they_are(log: Log) -> None:
    late = datetime.now(UTC) + timedelta(days=3)
    failed = await failure(log.AggregateEvents(pb.AggregateEventsRequest(start_time=at(late))))
    assert failed.field == "start_time"
    assert "must be before end_time, which is 20" in failed.message
    failed = await failure(log.AggregateEvents(pb.AggregateEventsRequest(end_time=at(late - timedelta(days=300)))))
    assert failed.field == "end_time"
    assert "must be after start_time, which is 20" in failed.message
