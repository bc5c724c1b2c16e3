"""A stream of batches that comes in: a few are stored at the same time, and no more are read meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

from services.gamelog.events.store import EventStore
from services.gamelog.events.types import NewEvent, Outcome
from shared.contract.errors import DeadlineReached
from shared.work import background, deadline
from shared.work.bounds import LONGEST_CALL_S

T = TypeVar("T")
Batch = Sequence[NewEvent]

AT_ONCE = 4
# A caller who sends nothing for so long has forgotten the call, and would hold its place among the calls for ever.
LONGEST_SILENCE_S = 60.0


async def stored(
    store: EventStore, batches: AsyncIterator[Batch]
) -> AsyncGenerator[tuple[Batch, Sequence[Outcome]], None]:
    """Each batch with what became of its events, in the order in which they came. Raises what the store and `batches`
    raise; then some of those that had come are stored."""
    under_way: deque[tuple[Batch, asyncio.Task[Sequence[Outcome]]]] = deque()
    tasks: set[asyncio.Task[Sequence[Outcome]]] = set()
    try:
        async for batch in batches:
            if len(under_way) == AT_ONCE:
                yield await _first(under_way)
            under_way.append((batch, background.once(_store(store, batch), "batch of a stream", tasks)))
        while under_way:
            yield await _first(under_way)
    finally:
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def never_silent(messages: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The messages. Raises DeadlineReached when none comes for LONGEST_SILENCE_S."""
    while True:
        try:
            async with asyncio.timeout(LONGEST_SILENCE_S):
                message = await anext(messages)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise DeadlineReached from error
        yield message


async def _first(
    under_way: deque[tuple[Batch, asyncio.Task[Sequence[Outcome]]]],
) -> tuple[Batch, Sequence[Outcome]]:
    batch, task = under_way[0]
    outcomes = await task
    under_way.popleft()
    return batch, outcomes


async def _store(store: EventStore, batch: Batch) -> Sequence[Outcome]:
    # The stream itself may have no deadline.
    with deadline.within(LONGEST_CALL_S):
        return await store.append(batch)
