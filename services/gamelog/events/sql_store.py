"""Events in PostgreSQL: a partition for each day of UTC, which goes as a whole."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from services.gamelog.events.outcomes import first_of_each, judged
from services.gamelog.events.types import (
    KEPT_LONGER,
    MICROSECOND,
    Aggregate,
    AggregatePosition,
    Aggregation,
    Event,
    EventPosition,
    Filter,
    LogPosition,
    NewEvent,
    Outcome,
    Passage,
    Range,
)
from shared.contract.errors import DeadlineReached, Refused, StoreUnavailable
from shared.contract.paging import LARGEST_PAGE_BYTES, Page
from shared.stores.errors import ConstraintViolated
from shared.stores.postgres import STORE, Postgres, queries
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.queries import load_pieces
from shared.work import deadline
from shared.work.batching import Batcher
from shared.work.bounds import LONGEST_CALL_S

_HERE = Path(__file__).parent
QUERIES = queries.load(_HERE / "queries.sql", load_pieces(_HERE / "pieces.sql")).of(POSTGRESQL)

_log = logging.getLogger("savepoint.gamelog")

# The events of a page are read this many at a time, so that of large ones not many more are read than fit the page.
PART = 200
# What one statement stores of several callers' batches, or of one's.
MOST_IN_A_STATEMENT = 1000
_LOWEST_ID, _HIGHEST_ID = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
_HIGHEST_PLACE = 2**31 - 1
# How long the background work may be down before events go into the default partition.
_DAYS_AHEAD = 7
# Partitions that are made in one transaction. While it lasts, it holds up every other statement, and whoever waits for
# it for longer than half a second takes the default partition instead.
_DAYS_AT_ONCE = 5
# How often a statement is sent that meets a partition which was made while it ran.
_PLACE_ATTEMPTS = 3
# A pause between two deletions of 10,000 rows, so that calls are not held up.
_PAUSE_S = 1


@dataclass(frozen=True, slots=True)
class _Appended:
    asked: int
    known: list[int]


@dataclass(frozen=True, slots=True)
class _Made:
    made: int


@dataclass(frozen=True, slots=True)
class _Dropped:
    dropped: int


class SqlEventStore:
    """An EventStore. A batch is one statement: all of it is stored, or none. Where there are replicas, they answer
    queries and count; the log is read from the primary, which alone knows which writes are under way."""

    def __init__(self, database: Postgres, retention_days: int) -> None:
        self._database = database
        self._retention = timedelta(days=retention_days)
        # Days that have a partition, or cannot have one.
        self._prepared: set[date] = set()
        self._preparing = asyncio.Lock()
        self._appends: Batcher[Sequence[NewEvent], Sequence[Outcome]] = Batcher(
            self._append_all, lambda _: (), weight=len, most=MOST_IN_A_STATEMENT
        )

    async def append(self, events: Sequence[NewEvent]) -> Sequence[Outcome]:
        """See EventStore. Batches of callers who come at the same time share a statement. A caller who brings new days
        waits for their partitions before that, and holds up nobody else."""
        await self._prepare_days({new.event.time.date() for new in events})
        return await self._appends.do(events)

    async def query(
        self, wanted: Filter, times: Range, after: EventPosition | None, limit: int, *, newest_first: bool
    ) -> Page[Event]:
        """See EventStore."""
        if after is None:
            after = EventPosition(times.end, _LOWEST_ID) if newest_first else _before(times.start)
        query = QUERIES[f"query_{'newest' if newest_first else 'oldest'}{_index(wanted)}"]
        events: list[Event] = []
        room = LARGEST_PAGE_BYTES
        # One more than the page shows whether there is a next one.
        while room > 0 and len(events) <= limit:
            part = min(PART, limit + 1 - len(events))
            params = {
                **_wanted(wanted),
                "after": after.time,
                "after_id": after.event_id,
                "start": times.start,
                "end": times.end,
                "limit": part,
            }
            found = [Event(*row) for row in await self._database.reads.fetch_rows(query, params)]
            events += found
            if len(found) < part:
                return Page(events[:limit], more=len(events) > limit)
            room -= sum(len(event.payload) for event in found)
            after = EventPosition(found[-1].time, found[-1].event_id)
        return Page(events[:limit], more=True)

    async def aggregate(
        self, wanted: Filter, how: Aggregation, after: AggregatePosition | None, limit: int
    ) -> Page[Aggregate]:
        """See EventStore."""
        start, end = how.range.start, how.range.end
        index = "_of_player" if wanted.player_id else "_of_match" if wanted.match_id else ""
        params = {
            **_wanted(wanted),
            "start": start,
            "since": max(start, after.bucket) if after else start,
            "end": end,
            "bucket_s": how.bucket_s,
            "value_path": list(how.value_path),
            "after": after.bucket if after else datetime.min.replace(tzinfo=UTC),
            "after_type": after.type if after else "",
            "limit": limit + 1,
        }
        query = replace(QUERIES[f"aggregate{index}"], slow=True)
        rows = await self._database.reads.fetch_rows(query, params)
        return Page([_aggregate(row) for row in rows[:limit]], more=len(rows) > limit)

    async def end_of_log(self) -> LogPosition:
        """See EventStore. A position is the id of a transaction, and a place in it."""
        [(running,)] = await self._database.fetch_rows(QUERIES["end_of_log"], {})
        return LogPosition(int(running) - 1, _HIGHEST_PLACE)

    async def read_log(self, wanted: Filter, after: LogPosition, end: LogPosition, limit: int) -> Passage:
        """See EventStore."""
        params = {
            **_wanted(wanted),
            "write": str(after.write),
            "place": after.place,
            "last_write": str(end.write),
            "limit": limit,
        }
        rows = await self._database.fetch_rows(QUERIES["read_log"], params)
        events = [(LogPosition(int(row[0]), row[1]), Event(*row[3:])) for row in rows if row[2]]
        return Passage(events, LogPosition(int(rows[-1][0]), rows[-1][1]) if rows else end)

    async def keep_retention(self) -> None:
        """See EventStore. Makes the partitions of the days to come, too."""
        today = datetime.now(UTC).date()
        await self._make_partitions([today + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD + 1)])
        before = datetime.now(UTC) - self._retention - KEPT_LONGER
        while await self._drop_partition(before):
            await asyncio.sleep(_PAUSE_S)
        # Ids at the end, and no later ones than those of whole days: an id whose event is still there must be known.
        params = {"forgotten_before": before.replace(hour=0, minute=0, second=0, microsecond=0)}
        for query in ("forget_default_events", "forget_event_ids"):
            while await self._database.execute(QUERIES[query], params, repeatable=True):
                await asyncio.sleep(_PAUSE_S)
        self._prepared = {day for day in self._prepared if day >= before.date()}

    async def close(self) -> None:
        """See EventStore."""
        await self._appends.close()

    async def _append_all(self, batches: Sequence[Sequence[NewEvent]]) -> Sequence[Sequence[Outcome]]:
        first = first_of_each(batches)
        events = list(first.values())
        known = await self._store(events)
        try:
            fingerprints = await self._fingerprints([events[place].event.event_id for place in known])
        except Refused as error:
            # It promises that nothing was written.
            raise StoreUnavailable(STORE) from error
        return judged(batches, first, fingerprints)

    async def _store(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Stores those whose id is new. Returns the places of the others."""
        params = {"asked": f"[{','.join(_json(place, new) for place, new in enumerate(events))}]"}
        for _ in range(_PLACE_ATTEMPTS):
            try:
                [row] = await self._database.fetch(QUERIES["append_events"], params, _Appended, repeatable=True)
            except ConstraintViolated as error:
                # An event was on its way into the default partition when somebody made the one of its day. Nothing of
                # the statement happened, and the next one finds that partition.
                if error.name:
                    raise
            else:
                if row.asked < len(events):
                    # The statement came after its call's deadline.
                    raise DeadlineReached
                return row.known
        raise StoreUnavailable(STORE)

    async def _fingerprints(self, event_ids: Sequence[str]) -> dict[str, str]:
        """Those of events that are there. Raises StoreUnavailable where one has gone meanwhile."""
        if not event_ids:
            return {}
        # Who is told that an event is there may rely on it.
        await self._database.confirm()
        found = await self._database.fetch_rows(QUERIES["find_fingerprints"], {"event_ids": _ids(event_ids)})
        if len(found) < len(event_ids):
            # Its retention has just ended: what to do with the event that came can be said when it comes again.
            raise StoreUnavailable(STORE)
        return dict(found)

    async def _prepare_days(self, days: set[date]) -> None:
        """Makes the partitions of days that no event of this process was on yet. Where that is not possible now, their
        events go into the default partition, and are deleted from there."""
        if days <= self._prepared:
            return
        try:
            # One at a time: those who wait would only time out, and take the default partition.
            async with asyncio.timeout(deadline.remaining(LONGEST_CALL_S)), self._preparing:
                await self._make_partitions(sorted(days - self._prepared))
        except TimeoutError as error:
            # What was made stays: sent again, the same call gets on.
            raise DeadlineReached from error
        except StoreUnavailable as error:
            _log.warning("events go into the default partition: %s", error.message, extra={"days": len(days)})

    async def _make_partitions(self, days: Sequence[date]) -> None:
        for begin in range(0, len(days), _DAYS_AT_ONCE):
            some = days[begin : begin + _DAYS_AT_ONCE]
            params = {"days": f"{{{','.join(day.isoformat() for day in some)}}}"}
            await self._database.fetch(QUERIES["make_event_partitions"], params, _Made, repeatable=True)
            self._prepared.update(some)

    async def _drop_partition(self, forgotten_before: datetime) -> int:
        params = {"forgotten_before": forgotten_before}
        [row] = await self._database.fetch(QUERIES["drop_event_partition"], params, _Dropped, repeatable=False)
        return row.dropped


def _index(wanted: Filter) -> str:
    """By which index a list is read: the end of its query's name."""
    if wanted.player_id:
        return "_of_player"
    if wanted.match_id:
        return "_of_match"
    return "_of_types" if wanted.types else ""


def _wanted(wanted: Filter) -> dict[str, Any]:
    # Quoted, since a type may be called "null".
    types = ",".join(f'"{name}"' for name in wanted.types)
    return {"player_id": wanted.player_id, "match_id": wanted.match_id, "types": f"{{{types}}}" if types else None}


def _before(time: datetime) -> EventPosition:
    return EventPosition(time - MICROSECOND, _HIGHEST_ID)


def _json(place: int, new: NewEvent) -> str:
    """As append_events takes it. What is quoted here has no character that JSON would escape."""
    event = new.event
    player = f',"player_id":"{event.player_id}"' if event.player_id else ""
    match = f',"match_id":"{event.match_id}"' if event.match_id else ""
    return (
        f'{{"place":{place},"event_id":"{event.event_id}","fingerprint":"{new.fingerprint}",'
        f'"time":"{event.time.isoformat()}","type":"{event.type}"{player}{match},"payload":{event.payload}}}'
    )


def _ids(event_ids: Iterable[str]) -> str:
    return f"{{{','.join(event_ids)}}}"


def _aggregate(row: Sequence[Any]) -> Aggregate:
    bucket, kind, count, values, total, least, most = row
    if not values:
        return Aggregate(bucket, kind, count, 0, None, None, None, None)
    # A text of digits beyond the largest double is infinity for float.
    return Aggregate(bucket, kind, count, values, float(total), float(total) / values, float(least), float(most))
