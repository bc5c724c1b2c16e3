"""GameLogService: requests checked and turned into the store's terms, its events turned into messages."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from grpc import aio
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceServicer

from services.gamelog.events.incoming import never_silent, stored
from services.gamelog.events.messages import aggregate_message, event_message, not_stored
from services.gamelog.events.store import EventStore
from services.gamelog.events.tails import Tails
from services.gamelog.events.types import (
    AGGREGATE_POSITION,
    EPOCH,
    EVENT_POSITION,
    LOG_POSITION,
    LONGEST_AHEAD,
    MICROSECOND,
    AggregatePosition,
    Aggregation,
    Event,
    EventPosition,
    Filter,
    LogPosition,
    NewEvent,
    Outcome,
    Range,
    bucket_of,
)
from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.paging import Pages, fitting

Context = aio.ServicerContext[Any, Any]

LARGEST_BATCH = 1000
LONGEST_TYPE = 64
MOST_TYPES = 20
PAYLOAD_BYTES = 16 * 1024
MOST_BUCKETS = 10_000
LONGEST_BUCKET_S = 366 * 86_400
LONGEST_VALUE_FIELD = 256
MOST_AGGREGATES, AGGREGATES = 10_000, 1000
# Of a stream's conflicts, so many are named.
MOST_CONFLICTS = 1000

_TYPE = re.compile(r"[a-z0-9._-]+")
_VALUE_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*")
_FINGERPRINT_BYTES = 16
_ALL_TIMES = Range(EPOCH, datetime.max.replace(tzinfo=UTC))
_TAIL = Pages("TailEvents")


class GameLogServicer(GameLogServiceServicer):
    """The RPCs of GameLogService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: EventStore, retention_days: int, most_tails: int) -> None:
        self._store = store
        self._retention = timedelta(days=retention_days)
        self._tails = Tails(store, most_tails)

    async def AppendEvents(self, request: pb.AppendEventsRequest, context: Context) -> pb.AppendEventsResponse:
        events = self._new_events(request.events, "events")
        response = pb.AppendEventsResponse()
        for index, (new, outcome) in enumerate(zip(events, await self._store.append(events), strict=True)):
            if outcome is Outcome.STORED:
                response.stored += 1
            else:
                response.not_stored.append(not_stored(index, new.event.event_id, outcome))
        return response

    async def AppendEventStream(
        self, request_iterator: AsyncIterator[pb.AppendEventStreamRequest], context: Context
    ) -> pb.AppendEventStreamResponse:
        response = pb.AppendEventStreamResponse()
        number = 0
        async with aclosing(stored(self._store, self._batches(request_iterator))) as batches:
            async for batch, outcomes in batches:
                _count(response, number, batch, outcomes)
                number += 1
        return response

    async def QueryEvents(self, request: pb.QueryEventsRequest, context: Context) -> pb.QueryEventsResponse:
        wanted, times = _filter(request.filter), _range(request, _ALL_TIMES)
        if request.order not in pb.EventOrder.values():
            raise FieldInvalid("order", "must be one of EventOrder's values")
        newest_first = request.order != pb.EVENT_ORDER_OLDEST_FIRST
        size = fields.page_size(request.page_size)
        pages = Pages("QueryEvents", wanted, times, newest_first)
        after = pages.key(request.page_token, EVENT_POSITION)
        page = await self._store.query(wanted, times, after, size, newest_first=newest_first)
        response = pb.QueryEventsResponse(events=fitting(map(event_message, page.items)))
        shown = len(response.events)
        if page.more or shown < len(page.items):
            last = page.items[shown - 1]
            response.next_page_token = pages.token(EventPosition(last.time, last.event_id), EVENT_POSITION)
        return response

    async def AggregateEvents(self, request: pb.AggregateEventsRequest, context: Context) -> pb.AggregateEventsResponse:
        wanted = _filter(request.filter)
        now = datetime.now(UTC)
        times = _range(request, Range(now - self._retention, now + LONGEST_AHEAD))
        bucket_s, path = _bucket_s(request, times), _value_path(request)
        size = fields.page_size(request.page_size, default=AGGREGATES, most=MOST_AGGREGATES)
        asked = [
            request.HasField(name) and getattr(request, name).ToNanoseconds() for name in ("start_time", "end_time")
        ]
        pages = Pages("AggregateEvents", wanted, asked, bucket_s, path)
        after = pages.key(request.page_token, AGGREGATE_POSITION)
        if after is not None:
            times = after.range
        page = await self._store.aggregate(wanted, Aggregation(times, bucket_s, path), after, size)
        response = pb.AggregateEventsResponse(aggregates=map(aggregate_message, page.items))
        if page.more:
            last = page.items[-1]
            position = AggregatePosition(times, last.bucket, last.type)
            response.next_page_token = pages.token(position, AGGREGATE_POSITION)
        return response

    async def TailEvents(self, request: pb.TailEventsRequest, context: Context) -> AsyncIterator[pb.TailEventsResponse]:
        wanted, after = _filter(request.filter), _resumed(request)
        async with aclosing(self._tails.follow(wanted, after)) as followed:
            async for events, end in followed:
                for answer in _answers(events, end):
                    yield answer

    async def _batches(self, requests: AsyncIterator[pb.AppendEventStreamRequest]) -> AsyncIterator[Sequence[NewEvent]]:
        number = 0
        async with aclosing(never_silent(requests)) as heard:
            async for request in heard:
                yield self._new_events(request.events, f"requests[{number}].events")
                number += 1

    def _new_events(self, messages: Sequence[pb.Event], field: str) -> list[NewEvent]:
        fields.count(messages, field, LARGEST_BATCH)
        now = datetime.now(UTC)
        return [self._new_event(message, f"{field}[{index}].", now) for index, message in enumerate(messages)]

    def _new_event(self, message: pb.Event, path: str, now: datetime) -> NewEvent:
        event = Event(
            event_id=fields.uuid_text(message.event_id, f"{path}event_id"),
            type=_type(message.type, f"{path}type"),
            player_id=_uuid(message, "player_id", path),
            match_id=_uuid(message, "match_id", path),
            time=self._time(message, f"{path}time", now) if message.HasField("time") else now,
            payload=json_struct.to_json(message.payload, f"{path}payload", PAYLOAD_BYTES),
        )
        # What was sent, and not what became of it: a time that was left out is another one the next time.
        sent = message.SerializeToString(deterministic=True)
        return NewEvent(event, blake2b(sent, digest_size=_FINGERPRINT_BYTES).hexdigest())

    def _time(self, message: pb.Event, field: str, now: datetime) -> datetime:
        time = fields.time(message.time, field)
        if time < now - self._retention:
            raise FieldInvalid(field, f"must not be more than {self._retention.days} days ago: events are kept so long")
        if time > now + LONGEST_AHEAD:
            raise FieldInvalid(field, "must not be more than a day ahead of the clock here")
        return time


def _count(
    response: pb.AppendEventStreamResponse, number: int, batch: Sequence[NewEvent], outcomes: Sequence[Outcome]
) -> None:
    for index, (new, outcome) in enumerate(zip(batch, outcomes, strict=True)):
        match outcome:
            case Outcome.STORED:
                response.stored += 1
            case Outcome.DUPLICATE:
                response.duplicates += 1
            case Outcome.CONFLICT:
                response.conflicts += 1
                if len(response.first_conflicts) < MOST_CONFLICTS:
                    response.first_conflicts.add(request=number, index=index, event_id=new.event.event_id)


def _answers(events: Sequence[tuple[LogPosition, Event]], end: LogPosition) -> Iterable[pb.TailEventsResponse]:
    """One answer, and more where the events are too large for one."""
    begin = 0
    while True:
        fit = fitting(event_message(event) for _, event in events[begin:])
        begin += len(fit)
        after = end if begin == len(events) else events[begin - 1][0]
        yield pb.TailEventsResponse(events=fit, resume_token=_TAIL.token(after, LOG_POSITION))
        if begin == len(events):
            return


def _resumed(request: pb.TailEventsRequest) -> LogPosition | None:
    if not request.HasField("resume_token"):
        return None
    try:
        position = _TAIL.key(request.resume_token, LOG_POSITION)
    except FieldInvalid:
        position = None
    if position is None:
        raise FieldInvalid("resume_token", "must be the resume_token of an earlier answer")
    return position


def _filter(message: pb.EventFilter) -> Filter:
    fields.count(message.types, "filter.types", MOST_TYPES, least=0)
    return Filter(
        player_id=_uuid(message, "player_id", "filter."),
        match_id=_uuid(message, "match_id", "filter."),
        # One that stands twice would be listed twice.
        types=tuple(sorted({_type(name, f"filter.types[{index}]") for index, name in enumerate(message.types)})),
    )


def _range(request: pb.QueryEventsRequest | pb.AggregateEventsRequest, otherwise: Range) -> Range:
    start, end = otherwise.start, otherwise.end
    if request.HasField("start_time"):
        # Nothing is older; and the databases' own smallest times are never reached.
        start = max(fields.time(request.start_time, "start_time"), EPOCH)
    if request.HasField("end_time"):
        end = max(fields.time(request.end_time, "end_time"), EPOCH)
    if end <= start:
        # One that was left out stands for a time too.
        if request.HasField("end_time"):
            raise FieldInvalid("end_time", f"must be after start_time, which is {_shown(start)}")
        raise FieldInvalid("start_time", f"must be before end_time, which is {_shown(end)}")
    return Range(start, end)


def _shown(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _bucket_s(request: pb.AggregateEventsRequest, times: Range) -> int | None:
    if not request.HasField("bucket_seconds"):
        return None
    seconds = fields.integer(request.bucket_seconds, "bucket_seconds", 1, LONGEST_BUCKET_S)
    first, last = bucket_of(times.start, seconds), bucket_of(times.end - MICROSECOND, seconds)
    buckets = (last - first) // timedelta(seconds=seconds) + 1
    if buckets > MOST_BUCKETS:
        raise FieldInvalid(
            "bucket_seconds",
            f"must make at most {MOST_BUCKETS} buckets between start_time and end_time, and makes {buckets}",
        )
    return seconds


def _value_path(request: pb.AggregateEventsRequest) -> tuple[str, ...]:
    if not request.HasField("value_field"):
        return ()
    path = request.value_field
    if len(path) > LONGEST_VALUE_FIELD or not _VALUE_FIELD.fullmatch(path):
        raise FieldInvalid(
            "value_field",
            f"must be at most {LONGEST_VALUE_FIELD} characters, in parts of A-Z a-z 0-9 _ - that begin with a letter "
            'or "_", with "." between them',
        )
    return tuple(path.split("."))


def _uuid(message: Any, name: str, path: str) -> str | None:
    return fields.uuid_text(getattr(message, name), f"{path}{name}") if message.HasField(name) else None


def _type(value: str, field: str) -> str:
    # Only short ones may get into the cache, which holds as many as it says and not as many bytes.
    if len(value) > LONGEST_TYPE or not _is_type(value):
        raise FieldInvalid(field, "must be 1 to 64 of a-z 0-9 . _ -")
    return value


@lru_cache(maxsize=1024)
def _is_type(value: str) -> bool:
    return _TYPE.fullmatch(value) is not None
