"""Events as tests make them, and what Python makes of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from savepoint.gamelog.v1 import gamelog_pb2 as pb

if TYPE_CHECKING:
    from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceAsyncStub

Log: TypeAlias = "GameLogServiceAsyncStub"


def new_id() -> str:
    """A UUID that nobody has."""
    return str(uuid.uuid4())


def at(time: datetime) -> Timestamp:
    """A time as a message."""
    made = Timestamp()
    made.FromDatetime(time)
    return made


def hour_ago(hours: int = 1) -> datetime:
    """The beginning of an hour of UTC that is over."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)


def event(
    kind: str,
    *,
    event_id: str = "",
    player_id: str | None = None,
    match_id: str | None = None,
    time: datetime | None = None,
    **payload: Any,
) -> pb.Event:
    """A new event."""
    content = Struct()
    content.update(payload)
    return pb.Event(
        event_id=event_id or new_id(),
        type=kind,
        player_id=player_id,
        match_id=match_id,
        time=at(time) if time else None,
        payload=content,
    )


async def append(log: Log, *events: pb.Event) -> pb.AppendEventsResponse:
    """Stores events."""
    return await log.AppendEvents(pb.AppendEventsRequest(events=events), timeout=30)


async def pages(log: Log, request: pb.QueryEventsRequest) -> list[list[pb.Event]]:
    """All pages of a query."""
    found = []
    while True:
        page = await log.QueryEvents(request, timeout=30)
        found.append(list(page.events))
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def every(log: Log, request: pb.QueryEventsRequest) -> list[pb.Event]:
    """All events of a query."""
    return [one for page in await pages(log, request) for one in page]


def ids(events: Iterable[pb.Event]) -> list[str]:
    """Their ids."""
    return [one.event_id for one in events]


async def batches(events: Sequence[pb.Event], size: int = 1000) -> AsyncIterator[pb.AppendEventStreamRequest]:
    """The messages of a stream."""
    for begin in range(0, len(events), size):
        yield pb.AppendEventStreamRequest(events=events[begin : begin + size])


class Tail:
    """A reader who follows the log, from the moment when the context is entered."""

    def __init__(self, log: Log, resume_token: str | None = None, **wanted: Any) -> None:
        request = pb.TailEventsRequest(filter=pb.EventFilter(**wanted), resume_token=resume_token)
        self._call = log.TailEvents(request)
        self.seen: list[pb.Event] = []
        self.token = ""

    async def __aenter__(self) -> "Tail":
        await self.read()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()

    async def read(self, within_s: float = 20) -> list[pb.Event]:
        """The next answer's events."""
        answer = await asyncio.wait_for(self._call.read(), within_s)
        assert isinstance(answer, pb.TailEventsResponse), await self._call.code()
        self.token = answer.resume_token
        self.seen += answer.events
        return list(answer.events)

    async def until(self, count: int, within_s: float = 20) -> list[pb.Event]:
        """Reads on until so many have been seen."""
        async with asyncio.timeout(within_s):
            while len(self.seen) < count:
                await self.read(within_s)
        return self.seen
