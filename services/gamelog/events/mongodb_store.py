"""Events in MongoDB: a document for each, which goes by a TTL index.

_id           the event's id
fingerprint   16 bytes
time          in microseconds since 1970
at            the same as a date, which has milliseconds only: the TTL index takes nothing else
type, player_id, match_id, payload    where there are any
position      in the order in which events were stored: mongodb_positions.py
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.gamelog.events.mongodb_positions import PLACES, Positions
from services.gamelog.events.outcomes import first_of_each, judged
from services.gamelog.events.types import (
    EPOCH,
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
    microseconds,
)
from services.gamelog.mongodb_schema import EVENTS, keep_for
from shared.contract.errors import Refused, StoreUnavailable
from shared.contract.paging import LARGEST_PAGE_BYTES, Page
from shared.stores.mongodb import STORE, Document, Mongo, json_of, of_json
from shared.work.batching import Batcher

# The events of a page are read this many at a time, so that of large ones not many more are read than fit the page.
PART = 200
# What one write stores of several callers' batches, or of one's.
MOST_IN_A_WRITE = 1000
# A write of a thousand documents is work for a server: more of them at once would only wait for each other there, and
# come nearer to the end of their time.
WRITES_AT_ONCE = 2
_SECOND = 1_000_000


class MongoEventStore:
    """An EventStore. Of a batch whose write fails, a part may be stored."""

    def __init__(self, database: Mongo, retention_days: int) -> None:
        self._database = database
        self._positions = Positions(database)
        self._kept_s = kept_s(retention_days)
        self._appends: Batcher[Sequence[NewEvent], Sequence[Outcome]] = Batcher(
            self._append_all, lambda _: (), weight=len, most=MOST_IN_A_WRITE, at_once=WRITES_AT_ONCE
        )

    async def append(self, events: Sequence[NewEvent]) -> Sequence[Outcome]:
        """See EventStore. Batches of callers who come at the same time share a write."""
        return await self._appends.do(events)

    async def query(
        self, wanted: Filter, times: Range, after: EventPosition | None, limit: int, *, newest_first: bool
    ) -> Page[Event]:
        """See EventStore."""
        events: list[Event] = []
        room = LARGEST_PAGE_BYTES
        # One more than the page shows whether there is a next one.
        while room > 0 and len(events) <= limit:
            part = min(PART, limit + 1 - len(events))
            found = await self._part(wanted, times, after, part, newest_first=newest_first)
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
        since = max(start, after.bucket) if after else start
        stages: list[Mapping[str, Any]] = [
            {"$match": {**_wanted(wanted), "time": {"$gte": microseconds(since), "$lt": microseconds(end)}}},
            {"$group": {"_id": {"bucket": _bucket(how), "type": "$type"}, "count": {"$sum": 1}, **_numbers(how)}},
            {"$sort": {"_id.bucket": 1, "_id.type": 1}},
            {"$limit": limit + 1},
        ]
        if after:
            bucket = microseconds(after.bucket)
            later = [{"_id.bucket": {"$gt": bucket}}, {"_id.bucket": bucket, "_id.type": {"$gt": after.type}}]
            stages.insert(2, {"$match": {"$or": later}})
        found = await self._database.aggregate(EVENTS, stages)
        return Page([_aggregate(document) for document in found[:limit]], more=len(found) > limit)

    async def end_of_log(self) -> LogPosition:
        """See EventStore. A position is the number of a write, and a place in it."""
        return LogPosition(await self._positions.end(), PLACES - 1)

    async def read_log(self, wanted: Filter, after: LogPosition, end: LogPosition, limit: int) -> Passage:
        """See EventStore."""
        async with self._database.session() as session:
            # Looked at again, within the session: what it shows as stored is then to be seen below, whichever member
            # answers.
            last = min(end.write, await self._positions.end(session))
            part = {"$gt": after.write * PLACES + after.place, "$lt": (last + 1) * PLACES}
            # First only where the part ends: of what does not fit, nothing else is read.
            found = await self._database.find(
                EVENTS, {"position": part}, sort=[("position", 1)], limit=limit, fields=["position"], session=session
            )
            if not found:
                return Passage([], end if last == end.write else after)
            part = {"$gt": part["$gt"], "$lte": found[-1]["position"]}
            fitting = {**_wanted(wanted), "position": part}
            events = await self._database.find(EVENTS, fitting, sort=[("position", 1)], session=session)
        return Passage([(_position(one["position"]), _event(one)) for one in events], _position(part["$lte"]))

    async def keep_retention(self) -> None:
        """See EventStore. The server does it; it is told again, since the setting may have changed."""
        await keep_for(self._database, self._kept_s)

    async def close(self) -> None:
        """See EventStore."""
        await self._appends.close()

    async def _append_all(self, batches: Sequence[Sequence[NewEvent]]) -> Sequence[Sequence[Outcome]]:
        first = first_of_each(batches)
        events = list(first.values())
        number = await self._positions.take()
        documents = [_document(new, number * PLACES + place) for place, new in enumerate(events)]
        try:
            taken = await self._database.insert_new(EVENTS, documents)
        except Refused:
            # Nothing was written. After any other failure, something may be yet: its number stays out.
            await self._positions.give_back(number)
            raise
        try:
            await self._positions.give_back(number)
            known = await self._fingerprints([events[place].event.event_id for place in taken])
        except Refused as error:
            # It promises that nothing was written.
            raise StoreUnavailable(STORE) from error
        return judged(batches, first, known)

    async def _fingerprints(self, event_ids: Sequence[str]) -> dict[str, str]:
        """Those of events that are there. Raises StoreUnavailable where one has gone meanwhile."""
        if not event_ids:
            return {}
        ids = [UUID(event_id) for event_id in event_ids]
        found = await self._database.find(EVENTS, {"_id": {"$in": ids}}, limit=len(ids), fields=["fingerprint"])
        if len(found) < len(ids):
            # Its retention has just ended: what to do with the event that came can be said when it comes again.
            raise StoreUnavailable(STORE)
        return {str(one["_id"]): one["fingerprint"].hex() for one in found}

    async def _part(
        self, wanted: Filter, times: Range, after: EventPosition | None, limit: int, *, newest_first: bool
    ) -> list[Event]:
        """The next events after a position. Those of its very time are asked for apart, so that each list is one range
        of an index."""
        beyond, way = ("$lt", -1) if newest_first else ("$gt", 1)
        bounds = {"$gte": microseconds(times.start), "$lt": microseconds(times.end)}
        found: list[Event] = []
        if after is not None:
            time = microseconds(after.time)
            alike = {**_wanted(wanted), "time": time, "_id": {beyond: UUID(after.event_id)}}
            found = await self._list(alike, limit, way)
            bounds["$lt" if newest_first else "$gte"] = time if newest_first else time + 1
        if len(found) < limit:
            found += await self._list({**_wanted(wanted), "time": bounds}, limit - len(found), way)
        return found

    async def _list(self, wanted: Mapping[str, Any], limit: int, way: int) -> list[Event]:
        return [
            _event(document)
            for document in await self._database.find(EVENTS, wanted, sort=[("time", way), ("_id", way)], limit=limit)
        ]


def kept_s(retention_days: int) -> int:
    """How many seconds after its time an event goes."""
    return int((timedelta(days=retention_days) + KEPT_LONGER).total_seconds())


def _wanted(wanted: Filter) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if wanted.player_id:
        found["player_id"] = UUID(wanted.player_id)
    if wanted.match_id:
        found["match_id"] = UUID(wanted.match_id)
    if wanted.types:
        found["type"] = wanted.types[0] if len(wanted.types) == 1 else {"$in": list(wanted.types)}
    return found


def _document(new: NewEvent, position: int) -> Document:
    event = new.event
    document: Document = {
        "_id": UUID(event.event_id),
        "fingerprint": bytes.fromhex(new.fingerprint),
        "time": microseconds(event.time),
        "at": event.time,
        "type": event.type,
        "position": position,
        "payload": of_json(event.payload),
    }
    if event.player_id:
        document["player_id"] = UUID(event.player_id)
    if event.match_id:
        document["match_id"] = UUID(event.match_id)
    return document


def _event(document: Document) -> Event:
    player, match = document.get("player_id"), document.get("match_id")
    return Event(
        str(document["_id"]),
        document["type"],
        str(player) if player else None,
        str(match) if match else None,
        _time(document["time"]),
        json_of(document["payload"]),
    )


def _time(since: int) -> datetime:
    return EPOCH + since * MICROSECOND


def _position(position: int) -> LogPosition:
    return LogPosition(*divmod(position, PLACES))


def _bucket(how: Aggregation) -> Any:
    if how.bucket_s is None:
        return {"$literal": microseconds(how.range.start)}
    return {"$subtract": ["$time", {"$mod": ["$time", how.bucket_s * _SECOND]}]}


def _numbers(how: Aggregation) -> dict[str, Any]:
    if not how.value_path:
        return {"values": {"$sum": 0}}
    field = f"$payload.{'.'.join(how.value_path)}"
    # Nothing but a number counts: no list of numbers, which $sum would go into.
    value = {"$cond": [{"$isNumber": field}, {"$toDouble": field}, None]}
    return {
        "values": {"$sum": {"$cond": [{"$isNumber": field}, 1, 0]}},
        "sum": {"$sum": value},
        "min": {"$min": value},
        "max": {"$max": value},
    }


def _aggregate(found: Document) -> Aggregate:
    bucket, kind = _time(int(found["_id"]["bucket"])), found["_id"]["type"]
    values = int(found["values"])
    if not values:
        return Aggregate(bucket, kind, int(found["count"]), 0, None, None, None, None)
    total = float(found["sum"])
    return Aggregate(
        bucket, kind, int(found["count"]), values, total, total / values, float(found["min"]), float(found["max"])
    )
