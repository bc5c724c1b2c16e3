"""What the game log knows of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How far ahead of now an event's time may be: the clocks of game servers go wrong.
LONGEST_AHEAD = timedelta(days=1)
# Events are deleted this much later than they must be: a whole day's at once, and never one that could still be
# appended, whose id must be known then.
KEPT_LONGER = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Ids are UUIDs as text in small letters; `payload` is the text of a JSON object."""

    event_id: str
    type: str
    player_id: str | None
    match_id: str | None
    time: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored. `fingerprint` is 16 bytes of a hash over what the caller sent, in hexadecimal: two events
    of one id are the same if it is."""

    event: Event
    fingerprint: str


class Outcome(Enum):
    """What became of an event that was to be stored."""

    STORED = "STORED"
    # It is there already.
    DUPLICATE = "DUPLICATE"
    # Another one has its id.
    CONFLICT = "CONFLICT"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events; None and no types stand for all."""

    player_id: str | None = None
    match_id: str | None = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """The times from `start` on and before `end`."""

    start: AwareDatetime
    end: AwareDatetime


@dataclass(frozen=True, slots=True)
class EventPosition:
    """Where a page of events ends: time and id of its last event. It comes back in a token, which anybody can make."""

    time: AwareDatetime
    event_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How events are counted: in buckets of so many seconds since EPOCH, or all in one; `value_path` leads from the
    payload's top to the number."""

    range: Range
    bucket_s: int | None
    value_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The events of one type in one bucket; the numbers are None where `values` is 0."""

    bucket: datetime
    type: str
    count: int
    values: int
    sum: float | None
    avg: float | None
    min: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class AggregatePosition:
    """Where a page of aggregates ends, and of which times they are: a request that leaves them out means those of its
    first page."""

    range: Range
    bucket: AwareDatetime
    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,64}$")]


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A place in the order in which events were stored: after the one numbered `place` of the write numbered `write`.
    Only the store that made it knows what these numbers are."""

    write: Annotated[int, Field(ge=-1, lt=2**43)]
    place: Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of the log in the order of storing: the events in it that fit, each with its position, and where it
    ends."""

    events: Sequence[tuple[LogPosition, Event]]
    end: LogPosition


EVENT_POSITION = TypeAdapter(EventPosition)
AGGREGATE_POSITION = TypeAdapter(AggregatePosition)
LOG_POSITION = TypeAdapter(LogPosition)


def bucket_of(time: datetime, seconds: int) -> datetime:
    """Where the bucket begins that a time lies in."""
    return EPOCH + (time - EPOCH) // timedelta(seconds=seconds) * timedelta(seconds=seconds)


def microseconds(time: datetime) -> int:
    """Since EPOCH."""
    return (time - EPOCH) // MICROSECOND
