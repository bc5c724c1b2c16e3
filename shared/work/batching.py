"""Does what many callers ask for at the same time in few statements.

A statement costs the service and PostgreSQL several times what one more row in it does. So callers hand in items,
and the items that arrive while one statement is on its way go into the next one. An item that comes alone goes alone,
at once. Only when many callers wait does a batch wait a moment too, so that more of them share the statement.
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

# When MANY callers or more wait, a batch starts no sooner than this after the one before, so that it gathers more
# items.
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
    When its time is over, they get DeadlineReached.
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
        """The result of `work` for this item. When a caller gives up, the batch that it is in goes on."""
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
            # Several batches are under way at once, so that one that waits for a lock does not hold up the rest.
            await self._room.acquire()
            batch = self._take()
            if not batch:
                # All who waited have given up.
                self._room.release()
                continue
            self._last_start = loop.time()
            task = background.once(self._do(batch), "batch", self._tasks)
            task.add_done_callback(lambda _: self._room.release())

    def _take(self) -> list[_Waiting[I, R]]:
        """The next batch: in the order of arrival, every item that has no key in common with an earlier one."""
        batch: list[_Waiting[I, R]] = []
        left: list[_Waiting[I, R]] = []
        # The keys of all earlier items, of those left for later too: an item must not overtake one with the same key.
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
        # This task was started by one of the callers and has inherited its deadline. The batch gets the latest of all.
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
