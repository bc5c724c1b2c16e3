"""Does what many callers ask for at the same time in few statements.

A statement costs the service and PostgreSQL several times what one more row in it does. So callers hand in items, and
the items that arrive while statements are on their way go into the next one. Nothing ever waits for company: whoever
comes alone goes alone, at once, and the next batch leaves as soon as one before it is done.

What an item touches has a key, say a player. Items with a key in common go one after the other, in the order in which
they came; all others go together. A batch waits for no lock: an item whose rows somebody else has locked is done alone,
and so is each item of a batch that one of them made fail. So a slow or a bad item holds up nobody but those who want
the same key.
"""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Generic, Literal, TypeVar

from shared.contract.consistency import PRIMARY
from shared.contract.errors import DeadlineReached
from shared.work import background, consistency, deadline
from shared.work.bounds import BATCH_BOUND_S

I = TypeVar("I")  # noqa: E741 # an item
R = TypeVar("R")
T = TypeVar("T")

# How many items that are BUSY are done alone at once, and how many of spoiled batches: those that wait for locks must
# leave most of the pool's connections to others, and the rest of a spoiled batch must not wait for them.
ALONE_AT_ONCE = 4


class _Busy(Enum):
    BUSY = "busy"


# The result of an item that has to wait for somebody else's lock: it is done alone.
Busy = Literal[_Busy.BUSY]
BUSY: Busy = _Busy.BUSY


@dataclass(slots=True, eq=False)
class _Asked(Generic[I, R]):
    item: I
    keys: frozenset[Hashable]
    weight: int
    answer: asyncio.Future[R]
    # By the event loop's clock.
    until: float
    # On how many of its keys there are items before it.
    behind: int = 0


class Batcher(Generic[I, R]):
    """Runs `work` over the items of many callers.

    `work` returns for each item its result, the exception that its caller gets, or BUSY; what it raises goes to all of
    them. When its time is over, they get DeadlineReached. `keys` names what an item touches. A batch ends when the
    weights of its items reach `most`.

    `alone` does one item that is BUSY, and may wait for a moment; when it returns BUSY too, it is asked again after the
    others that wait, until the item's time is over. After an exception of `spoiled`, which one item is to blame for and
    nothing was done, it does each of the batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[I]], Awaitable[Sequence[R | Exception | Busy]]],
        keys: Callable[[I], Iterable[Hashable]],
        *,
        alone: Callable[[I], Awaitable[R | Exception | Busy]] | None = None,
        spoiled: tuple[type[Exception], ...] = (),
        weight: Callable[[I], int] = lambda _: 1,
        most: int = 64,
        at_once: int = 6,
    ) -> None:
        self._work = work
        self._keys = keys
        self._alone = alone
        self._spoiled = spoiled if alone else ()
        self._weight = weight
        self._most = most
        # Several batches are under way at once, so that the store works while the service reads answers.
        self._room = at_once
        self._room_busy = asyncio.Semaphore(ALONE_AT_ONCE)
        self._room_spoiled = asyncio.Semaphore(ALONE_AT_ONCE)
        # For each key those who want it, in the order of arrival. The first of them is ready, or under way, if it is
        # the first on all its keys.
        self._lines: dict[Hashable, deque[_Asked[I, R]]] = {}
        self._ready: deque[_Asked[I, R]] = deque()
        self._going = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def do(self, item: I) -> R:
        """The result of `work` for this item. When a caller gives up, the batch that it is in goes on."""
        # Asked for once: the running loop is a system call away (before Python 3.12).
        loop = self._loop = self._loop or asyncio.get_running_loop()
        until = deadline.until(math.inf)
        # What cannot be weighed fails here, for its caller alone, and not in the batch, for all.
        asked: _Asked[I, R] = _Asked(item, frozenset(self._keys(item)), self._weight(item), loop.create_future(), until)
        self._line_up(asked)
        # Those who come in the same turn of the loop go together.
        if self._ready and not self._going:
            self._going = True
            loop.call_soon(self._go)
        return await asked.answer

    async def close(self) -> None:
        """Ends what is running, and begins nothing of what waits."""
        for asked in itertools.chain(self._ready, *self._lines.values()):
            asked.answer.cancel()
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _line_up(self, asked: _Asked[I, R]) -> None:
        for key in asked.keys:
            line = self._lines.get(key)
            if line is None:
                self._lines[key] = deque((asked,))
            else:
                line.append(asked)
                asked.behind += 1
        if not asked.behind:
            self._ready.append(asked)

    def _leave(self, asked: _Asked[I, R]) -> None:
        """It is done: whoever is next on its keys moves up."""
        for key in asked.keys:
            line = self._lines[key]
            line.popleft()
            if not line:
                del self._lines[key]
                continue
            line[0].behind -= 1
            if not line[0].behind:
                self._ready.append(line[0])

    def _go(self) -> None:
        """Starts batches while there is room and somebody is ready."""
        self._going = False
        while self._room and (batch := self._take()):
            self._room -= 1
            background.once(self._do(batch), "batch", self._tasks).add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._room += 1
        self._go()

    def _take(self) -> list[_Asked[I, R]]:
        batch: list[_Asked[I, R]] = []
        weight = 0
        while self._ready and weight < self._most:
            asked = self._ready.popleft()
            if asked.answer.done():
                # Its caller has given up.
                self._leave(asked)
            else:
                batch.append(asked)
                weight += asked.weight
        return batch

    async def _do(self, batch: Sequence[_Asked[I, R]]) -> None:
        alone: Sequence[_Asked[I, R]] = ()
        room = self._room_busy
        try:
            # The batch gets the latest deadline of all.
            until = max(asked.until for asked in batch)
            results = await _within(until, self._work([asked.item for asked in batch]))
            alone = [asked for asked, result in zip(batch, results, strict=True) if result is BUSY]
            for asked, result in zip(batch, results, strict=True):
                if result is not BUSY:
                    _answer(asked, result)
        except self._spoiled:
            alone, room = batch, self._room_spoiled
        except Exception as error:
            for asked in batch:
                _answer(asked, error)
        finally:
            # Without those that are done alone from here on, which keep their keys.
            for asked in batch:
                if asked not in alone:
                    asked.answer.cancel()
                    self._leave(asked)
            for asked in alone:
                task = background.once(self._do_alone(asked, room), "alone", self._tasks)
                # Whoever gives up need not wait for a lock any more.
                asked.answer.add_done_callback(partial(_cancel, task))

    async def _do_alone(self, asked: _Asked[I, R], room: asyncio.Semaphore) -> None:
        try:
            if self._alone is None:
                raise RuntimeError("an item is busy, and this batcher does none alone")
            result: R | Exception | Busy = BUSY
            while result is BUSY:
                # In turns: among those that wait for a lock may be one that was let go long ago.
                async with room:
                    result = await _within(asked.until, self._alone(asked.item))
            _answer(asked, result)
        except Exception as error:
            _answer(asked, error)
        finally:
            asked.answer.cancel()
            self._leave(asked)
            self._go()


def _cancel(task: asyncio.Task[None], _: object) -> None:
    task.cancel()


def _answer(asked: _Asked[I, R], result: R | Exception) -> None:
    if asked.answer.done():
        return
    if isinstance(result, Exception):
        asked.answer.set_exception(result)
    else:
        asked.answer.set_result(result)


async def _within(until: float, work: Awaitable[T]) -> T:
    # The task was started by one of the callers and has inherited that caller's deadline and consistency token.
    bound = min(BATCH_BOUND_S, until - time.monotonic())
    deadline.start(bound)
    consistency.start(PRIMARY)
    try:
        async with asyncio.timeout(bound):
            return await work
    except TimeoutError as error:
        raise DeadlineReached from error
