"""A million events into the game log, found again and counted: the same as Python makes of them. How fast they go in,
and whether the memory of the service stays small meanwhile."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from rich.console import Console
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from bench import catalogue
from bench.gamelog.happenings import DAYS, VALUE, Happenings
from bench.processes import Memory, memory_of
from bench.progress import Steps
from bench.report import Check, Report, table
from deploy.local import embedded
from deploy.local.alone import Service, migrate, running

if TYPE_CHECKING:
    from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceAsyncStub

HELP = "a million events into the game log, and out again: right, how fast, in how much memory"

DATABASES = ("postgresql", "mongodb")
_BATCHES_A_STREAM = 20
_ATTEMPTS = 5
_LOOK_EVERY_S = 1.0
_ROWS = 12
_MB = 1_000_000
_MOST_MB = 150
# Of the events: then the pools are full and every code path has been taken.
_SETTLED = 0.15
_GROWTH = 1.10
# What the contract promises of sums, of the sum of the values.
_TOLERANCE = 1e-12
_PLAYERS = 20
_APPEND = "/savepoint.gamelog.v1.GameLogService/AppendEventStream"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--database", default=",".join(DATABASES), help=f"one or both of {', '.join(DATABASES)}")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events")
    parser.add_argument("--streams", type=int, default=2, help="streams of AppendEventStream at once")
    parser.add_argument("--batch", type=int, default=1000, help="events in a message, 1,000 at most")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Measures each database by itself. Raises UnknownNameError."""
    chosen = given.database.split(",")
    catalogue.check(chosen, DATABASES, "database")
    report = Report("gamelog", {})
    for database in chosen:
        report = report.joined(await _measured(database, given, console))
    return report


_Append: TypeAlias = "aio.StreamUnaryMultiCallable[bytes, pb.AppendEventStreamResponse]"


@dataclass
class _Load:
    """What goes in, shared by the streams, and how it went. `there` counts what is stored, whichever attempt did it."""

    left: Iterator[bytes]
    there: int = 0
    again: int = 0
    samples: list[tuple[int, Memory]] = field(default_factory=list)


async def _measured(database: str, given: argparse.Namespace, console: Console) -> Report:
    events = given.events
    with Steps(console, 4) as steps, TemporaryDirectory(prefix="savepoint-bench-") as directory:
        steps.next(f"{database}: making {events:,} events")
        happenings = Happenings(events, datetime.now(UTC) - timedelta(minutes=1))
        messages = list(happenings.batches(given.batch))
        async with embedded.stores(Path(directory), gamelog_database_type=database) as stores:
            environment = stores.game_log().settings
            await migrate("gamelog", environment)
            async with running("gamelog", environment, Path(directory)) as service:
                steps.next(f"{database}: storing them")
                load = _Load(iter(messages))
                seconds = await _append(service, load, given.streams)
                steps.next(f"{database}: finding those of {_PLAYERS} players")
                log = GameLogServiceStub(service.channel)
                wrong_players = await _wrong_players(log, happenings)
                steps.next(f"{database}: counting them by the hour")
                wrong_hours, counting_s = await _wrong_hours(log, happenings)
    return _report(database, events, load, seconds, wrong_players, wrong_hours, len(happenings.hours), counting_s)


async def _append(service: Service, load: _Load, streams: int) -> float:
    """Sends everything. Returns how many seconds that took."""
    looks = asyncio.create_task(_look(service.pid, load))
    began = time.perf_counter()

    async def caller() -> None:
        async with aio.insecure_channel(service.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call: _Append = channel.stream_unary(_APPEND, response_deserializer=pb.AppendEventStreamResponse.FromString)
            while batches := list(islice(load.left, _BATCHES_A_STREAM)):
                answer = await _sent(call, batches, load)
                load.there += answer.stored + answer.duplicates

    try:
        await asyncio.gather(*(caller() for _ in range(streams)))
        return time.perf_counter() - began
    finally:
        looks.cancel()
        await asyncio.gather(looks, return_exceptions=True)


async def _sent(call: "_Append", batches: Sequence[bytes], load: _Load) -> pb.AppendEventStreamResponse:
    """Sends a stream, and sends it again where it fails: that is harmless, and a store may be slow."""
    attempt = 1
    while True:
        try:
            return await call(_each(batches))
        except aio.AioRpcError:
            if attempt == _ATTEMPTS:
                raise
        attempt += 1
        load.again += 1
        await asyncio.sleep(1)


async def _each(batches: Sequence[bytes]) -> AsyncIterator[bytes]:
    for batch in batches:
        yield batch


async def _look(pid: int, load: _Load) -> None:
    while True:
        load.samples.append((load.there, memory_of({"service": pid})["service"]))
        await asyncio.sleep(_LOOK_EVERY_S)


async def _wrong_players(log: "GameLogServiceAsyncStub", happenings: Happenings) -> int:
    """Of the players with most events and of some with fewest, how many have others than Python knows of."""
    by_count = sorted(happenings.of_player, key=lambda player: len(happenings.of_player[player]))
    wrong = 0
    for player in [*by_count[-_PLAYERS // 2 :], *by_count[: _PLAYERS // 2]]:
        expected = [event_id for _, event_id in sorted(happenings.of_player[player])]
        request = pb.QueryEventsRequest(
            filter=pb.EventFilter(player_id=player), order=pb.EVENT_ORDER_OLDEST_FIRST, page_size=1000
        )
        found: list[str] = []
        while True:
            page = await log.QueryEvents(request, timeout=30)
            found += [event.event_id for event in page.events]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        wrong += found != expected
    return wrong


async def _wrong_hours(log: "GameLogServiceAsyncStub", happenings: Happenings) -> tuple[int, float]:
    """In how many hours and types the service counts otherwise than Python; and how many seconds it took. A day a call:
    a store that is slow has its time."""
    left = dict(happenings.hours)
    wrong, began = 0, time.perf_counter()
    first = min(hour for hour, _ in left).replace(hour=0)
    for day in range(DAYS + 2):
        request = pb.AggregateEventsRequest(
            start_time=_stamp(first + timedelta(days=day)),
            end_time=_stamp(first + timedelta(days=day + 1)),
            bucket_seconds=3600,
            value_field=VALUE,
        )
        for one in (await log.AggregateEvents(request, timeout=30)).aggregates:
            expected = left.pop((one.bucket_time.ToDatetime(UTC), one.type), None)
            wrong += expected is None or not _alike(
                one, expected.events, expected.numbers, expected.total if expected.numbers else 0.0
            )
    return wrong + len(left), time.perf_counter() - began


def _alike(one: pb.Aggregate, events: int, numbers: Sequence[float], total: float) -> bool:
    if (one.count, one.values) != (events, len(numbers)):
        return False
    if not numbers:
        return not one.HasField("sum")
    ends = (one.min, one.max) == (min(numbers), max(numbers))
    return ends and abs(one.sum - total) <= _TOLERANCE * total and one.avg == one.sum / len(numbers)


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _report(
    database: str,
    events: int,
    load: _Load,
    seconds: float,
    wrong_players: int,
    wrong_hours: int,
    hours: int,
    counting_s: float,
) -> Report:
    made = table(f"game log on {database}: memory of the service", "events", "RSS MB", "USS MB")
    samples = load.samples
    for events_then, memory in samples[:: max(1, len(samples) // _ROWS)]:
        made.add_row(f"{events_then:,}", f"{memory.rss / _MB:.1f}", f"{memory.uss / _MB:.1f}")
    settled = next((memory for events_then, memory in samples if events_then >= _SETTLED * events), samples[-1][1])
    most = max(memory.rss for _, memory in samples) / _MB
    growth = samples[-1][1].rss / settled.rss
    rate = events / seconds
    return Report(
        "gamelog",
        {
            database: {
                "events": events,
                "seconds": seconds,
                "events_per_s": rate,
                "counting_s": counting_s,
                "samples": [{"events": events_then} | vars(memory) for events_then, memory in samples],
            }
        },
        [made],
        [
            Check(f"{database}: stored", f"{load.there:,}", f"{events:,}", load.there == events),
            Check(f"{database}: players found otherwise", f"{wrong_players}", "0", not wrong_players),
            Check(f"{database}: hours counted otherwise", f"{wrong_hours} of {hours}", "0", not wrong_hours),
            Check(f"{database}: RSS, at most", f"{most:.0f} MB", f"under {_MOST_MB} MB", most < _MOST_MB),
            Check(f"{database}: RSS since it settled", f"{growth:.1%}", f"at most {_GROWTH:.0%}", growth <= _GROWTH),
        ],
        [
            f"{database}: {rate:,.0f} events a second in, {load.again} streams sent again; counted by the hour in "
            f"{counting_s:.1f} s."
        ],
    )
