"""What many callers ask for at once, done in few statements.

A statement costs the service and PostgreSQL several times what one more row in it does. So callers hand in items, and
what has gathered while earlier statements were on their way goes into the next one. Nobody waits for company: an item
that comes alone goes alone, at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared import deadline

I = TypeVar("I")  # noqa: E741 # an item
R = TypeVar("R")

# Longest time for one batch; each caller's own deadline may end its waiting sooner.
BATCH_BOUND_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[I, R]):
    item: I
    keys: frozenset[Hashable]
    answer: asyncio.Future[R]


class Batcher(Generic[I, R]):
    """Runs `work` over the items of many callers.

    `work` returns for each item its result or the exception that its caller gets; what it raises goes to all of them.
    `keys` names what an item touches: two items with a key in common are never in the same batch nor in two batches at
    once, and are done in the order in which they came.
    """

    def __init__(
        self,
        work: Callable[[Sequence[I]], Awaitable[Sequence[R | Exception]]],
        keys: Callable[[I], Iterable[Hashable]],
        *,
        most: int = 64,
        at_once: int = 2,
    ) -> None:
        self._work = work
        self._keys = keys
        self._most = most
        self._at_once = at_once
        self._waiting: list[_Waiting[I, R]] = []
        self._touched: set[Hashable] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def do(self, item: I) -> R:
        """The result of `work` for this item. A caller that gives up leaves the batch it is in to go on."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, frozenset(self._keys(item)), answer))
        self._start()
        return await answer

    async def close(self) -> None:
        """Ends what is running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self) -> None:
        while len(self._running) < self._at_once and (batch := self._take()):
            task = asyncio.create_task(self._run(batch), name="batch")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _take(self) -> list[_Waiting[I, R]]:
        """The next batch, its keys marked as touched."""
        batch: list[_Waiting[I, R]] = []
        left: list[_Waiting[I, R]] = []
        # What an item that must wait touches, later items must wait for too.
        passed: set[Hashable] = set()
        for waiting in self._waiting:
            if waiting.answer.done():
                continue
            if len(batch) < self._most and self._touched.isdisjoint(waiting.keys) and passed.isdisjoint(waiting.keys):
                batch.append(waiting)
                self._touched |= waiting.keys
            else:
                left.append(waiting)
                passed |= waiting.keys
        self._waiting = left
        return batch

    async def _run(self, batch: Sequence[_Waiting[I, R]]) -> None:
        # The task has begun within one of the callers, whose deadline is not the others'.
        deadline.start(BATCH_BOUND_S)
        try:
            async with asyncio.timeout(BATCH_BOUND_S):
                results = await self._work([waiting.item for waiting in batch])
            for waiting, result in zip(batch, results, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(result, Exception):
                    waiting.answer.set_exception(result)
                else:
                    waiting.answer.set_result(result)
        except Exception as error:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
        finally:
            for waiting in batch:
                waiting.answer.cancel()
                self._touched -= waiting.keys
            # This task still counts as running: the next one starts when it is gone.
            asyncio.get_running_loop().call_soon(self._start)
