"""A stream of batches that comes in: how many are stored at once, and what silence and failures do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from services.gamelog.events import incoming
from services.gamelog.events.incoming import AT_ONCE, never_silent, stored
from services.gamelog.events.outcomes import first_of_each, judged
from services.gamelog.events.store import EventStore
from services.gamelog.events.types import Event, NewEvent, Outcome
from shared.contract.errors import DeadlineReached, StoreUnavailable


def new(event_id: str, fingerprint: str = "f") -> NewEvent:
    return NewEvent(Event(event_id, "a", None, None, datetime.now(UTC), "{}"), fingerprint)


class Slow:
    """Stores a batch when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.cancelled = 0

    async def append(self, events: Sequence[NewEvent]) -> Sequence[Outcome]:
        self.waiting.append(told := asyncio.get_running_loop().create_future())
        try:
            await told
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return [Outcome.STORED] * len(events)


class Batches:
    """An endless stream that counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[Sequence[NewEvent]]:
        while True:
            self.taken += 1
            yield [new(str(self.taken))]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_is_read_than_is_being_stored() -> None:
    slow, batches = Slow(), Batches()
    results = stored(cast(EventStore, slow), aiter(batches))
    first = asyncio.ensure_future(anext(results))
    await settle()
    assert (len(slow.waiting), batches.taken) == (AT_ONCE, AT_ONCE + 1)
    slow.waiting[0].set_result(None)
    batch, outcomes = await first
    assert (batch[0].event.event_id, outcomes) == ("1", [Outcome.STORED])
    await results.aclose()
    assert slow.cancelled == AT_ONCE - 1


async def test_a_batch_that_fails_ends_the_stream_and_what_was_under_way() -> None:
    slow = Slow()
    results = stored(cast(EventStore, slow), aiter(Batches()))
    first = asyncio.ensure_future(anext(results))
    await settle()
    slow.waiting[0].set_exception(StoreUnavailable("test"))
    with pytest.raises(StoreUnavailable):
        await first
    assert slow.cancelled == AT_ONCE - 1


async def test_a_caller_who_falls_silent_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "LONGEST_SILENCE_S", 0.05)

    async def messages() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        yield 2
        await asyncio.sleep(10)
        yield 3

    heard = never_silent(messages())
    assert [await anext(heard), await anext(heard)] == [1, 2]
    with pytest.raises(DeadlineReached):
        await anext(heard)


def test_what_became_of_each_event_of_several_batches() -> None:
    batches = [[new("1"), new("2"), new("1")], [new("2", "other"), new("3"), new("4")]]
    first = first_of_each(batches)
    assert list(first) == ["1", "2", "3", "4"]
    stored_now, duplicate, conflict = Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT
    assert judged(batches, first, {"3": "f", "4": "other"}) == [
        [stored_now, stored_now, duplicate],
        [conflict, duplicate, conflict],
    ]
