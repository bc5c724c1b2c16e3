"""What many callers ask for at once, done in few statements.

A statement costs the service and PostgreSQL several times what one more row in it does. So callers hand in items, and
what has gathered while the statement before was on its way goes into the next one. An item that comes alone goes alone,
at once. Only where callers come in numbers does a batch wait a moment, so that it is worth its statement.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.contract.errors import DeadlineReached
from shared.work import background, deadline
from shared.work.bounds import BATCH_BOUND_S

I = TypeVar("I")  # noqa: E741 # an item
R = TypeVar("R")

# From one batch's start to the next, where callers come in numbers: so many at once.
GATHERING_S = 0.02
MANY = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[I, R]):
    item: I
    keys: frozenset[Hashable]
    weight: int
    answer: asyncio.Future[R]
    # By the event loop's clock.
    until: float


class Batcher(Generic[I, R]):
    """Runs `work` over the items of many callers.

    `work` returns for each item its result or the exception that its caller gets; what it raises goes to all of them.
    Where its time is over, that is DeadlineReached.
    `keys` names what an item touches: two items with a key in common are never in the same batch. A batch ends when
    the weights of its items reach `most`.
    """

    def __init__(
        self,
        work: Callable[[Sequence[I]], Awaitable[Sequence[R | Exception]]],
        keys: Callable[[I], Iterable[Hashable]],
        *,
        weight: Callable[[I], int] = lambda _: 1,
        most: int = 64,
        at_once: int = 2,
    ) -> None:
        self._work = work
        self._keys = keys
        self._weight = weight
        self._most = most
        self._waiting: list[_Waiting[I, R]] = []
        self._room = asyncio.Semaphore(at_once)
        self._sender: asyncio.Task[None] | None = None
        # The sender, and the batches under way.
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers = 0
        self._last_start = 0.0

    async def do(self, item: I) -> R:
        """The result of `work` for this item. A caller that gives up leaves the batch it is in to go on."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        until = loop.time() + deadline.remaining(math.inf)
        # What cannot be weighed fails here, for its caller alone, and not in the sender, for all.
        self._waiting.append(_Waiting(item, frozenset(self._keys(item)), self._weight(item), answer, until))
        if self._sender is None or self._sender.done():
            self._sender = background.once(self._send(), "batches", self._tasks)
        self._callers += 1
        try:
            return await answer
        finally:
            self._callers -= 1

    async def close(self) -> None:
        """Ends what is running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for waiting in self._waiting:
            waiting.answer.cancel()

    async def _send(self) -> None:
        """Starts batch after batch until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            if self._callers >= MANY:
                await asyncio.sleep(max(0.0, self._last_start + GATHERING_S - loop.time()))
            # Several are under way at once, so that one that waits for a lock does not keep the others.
            await self._room.acquire()
            batch = self._take()
            if not batch:
                # Whoever waited has given up.
                self._room.release()
                continue
            self._last_start = loop.time()
            task = background.once(self._do(batch), "batch", self._tasks)
            task.add_done_callback(lambda _: self._room.release())

    def _take(self) -> list[_Waiting[I, R]]:
        """The next batch: from the longest waiting on, whatever has nothing in common with those before it."""
        batch: list[_Waiting[I, R]] = []
        left: list[_Waiting[I, R]] = []
        # By those left for later too: nobody overtakes one who waits for the same.
        touched: set[Hashable] = set()
        weight = 0
        for waiting in self._waiting:
            if waiting.answer.done():
                continue
            if weight < self._most and touched.isdisjoint(waiting.keys):
                batch.append(waiting)
                weight += waiting.weight
            else:
                left.append(waiting)
            touched |= waiting.keys
        self._waiting = left
        return batch

    async def _do(self, batch: Sequence[_Waiting[I, R]]) -> None:
        # This task has begun within one of the callers, whose deadline is not the others'.
        latest = max(waiting.until for waiting in batch)
        bound = min(BATCH_BOUND_S, latest - asyncio.get_running_loop().time())
        deadline.start(bound)
        try:
            async with asyncio.timeout(bound):
                results = await self._work([waiting.item for waiting in batch])
            for waiting, result in zip(batch, results, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(result, Exception):
                    waiting.answer.set_exception(result)
                else:
                    waiting.answer.set_result(result)
        except TimeoutError as error:
            reached = DeadlineReached()
            reached.__cause__ = error
            self._fail(batch, reached)
        except Exception as error:
            self._fail(batch, error)
        finally:
            for waiting in batch:
                waiting.answer.cancel()

    def _fail(self, batch: Sequence[_Waiting[I, R]], error: Exception) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
