"""Reads of the same thing by many callers at once: few look-ups, whose answer all of them get.

A caller must see whatever was written before it came. So it never gets the answer of a look-up that had begun by then:
whoever comes while one is on its way waits for the next one, together with all who come until that begins. For each
key there is at most one look-up on its way, and one that gathers.

Whoever comes alone does the look-up itself, at once, at the price of two dictionary entries.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from shared.contract.consistency import PRIMARY
from shared.contract.errors import DeadlineReached
from shared.work import background, consistency, deadline
from shared.work.bounds import BATCH_BOUND_S

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class _Gathering(Generic[R]):
    """Callers who wait for the same look-up, which has not begun."""

    __slots__ = ("answers", "until")

    def __init__(self) -> None:
        # One for each caller: if they waited for the same future, one that is cancelled would cancel it for all.
        self.answers: list[asyncio.Future[R]] = []
        # The latest deadline of all, by the event loop's clock.
        self.until = 0.0


class SharedReads(Generic[K, R]):
    """Runs `read` for many callers. What it raises goes to those who share the look-up; when its time is over, they get
    DeadlineReached."""

    def __init__(self, read: Callable[[K], Awaitable[R]]) -> None:
        self._read = read
        # The keys of look-ups on their way, each with those who came since it began.
        self._under_way: dict[K, _Gathering[R] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> R:
        """What a look-up finds that begins now or later. A caller who gives up disturbs nobody: a look-up of its own
        ends with it, one that it shares goes on."""
        if key not in self._under_way:
            self._under_way[key] = None
            try:
                return await self._read(key)
            finally:
                self._next(key)
        loop = asyncio.get_running_loop()
        gathering = self._under_way[key]
        if gathering is None:
            gathering = self._under_way[key] = _Gathering()
        answer: asyncio.Future[R] = loop.create_future()
        gathering.answers.append(answer)
        gathering.until = max(gathering.until, loop.time() + deadline.remaining(math.inf))
        return await answer

    async def close(self) -> None:
        """Ends what is running."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # Those whose look-up was cancelled before it had begun.
        for gathering in self._under_way.values():
            for answer in gathering.answers if gathering else ():
                answer.cancel()

    def _next(self, key: K) -> None:
        """A look-up is over: the one that has gathered begins."""
        gathering = self._under_way[key]
        if gathering is not None and any(not answer.done() for answer in gathering.answers):
            background.once(self._look_up(key), "shared read", self._tasks)
        else:
            del self._under_way[key]

    async def _look_up(self, key: K) -> None:
        gathering = self._under_way[key]
        if gathering is None:
            raise RuntimeError("a shared read begins, and nobody waits for it")
        # From here on, nobody joins it.
        self._under_way[key] = None
        try:
            # The task has inherited deadline and consistency token of whoever did the look-up before.
            bound = min(BATCH_BOUND_S, gathering.until - asyncio.get_running_loop().time())
            deadline.start(bound)
            consistency.start(PRIMARY)
            async with asyncio.timeout(bound):
                found = await self._read(key)
            for answer in gathering.answers:
                if not answer.done():
                    answer.set_result(found)
        except TimeoutError as error:
            reached = DeadlineReached()
            reached.__cause__ = error
            _fail(gathering, reached)
        except Exception as error:
            _fail(gathering, error)
        finally:
            for answer in gathering.answers:
                answer.cancel()
            self._next(key)


def _fail(gathering: _Gathering[R], error: Exception) -> None:
    for answer in gathering.answers:
        if not answer.done():
            answer.set_exception(error)
