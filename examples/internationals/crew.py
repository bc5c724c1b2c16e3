"""Many things at a time, but not all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Awaits `work(item)` for every item, `at_once` of them at a time, begun in the order of the items.

    The first exception ends all the others, and is raised.
    """
    waiting = iter(items)

    async def worker() -> None:
        # All share the one iterator: whoever is free takes the next item.
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
