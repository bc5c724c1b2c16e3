"""Readers who follow the log. Each asks the store again and again for what was stored since, at its own speed: the
store is the only buffer, so a slow reader costs no memory, and any replica can go on where another one ended."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from services.gamelog.events.store import EventStore
from services.gamelog.events.types import Event, Filter, LogPosition
from shared.contract.errors import FieldInvalid, Overloaded
from shared.work import deadline
from shared.work.bounds import BATCH_BOUND_S

# Between two looks at the end of the log.
LOOK_EVERY_S = 0.2
# An end that was seen so lately will do: all readers share the look.
_LATELY_S = 0.1
# Events that are looked at in one piece; an event may have 16 KiB.
PART = 500
# A reader whom nothing concerns is told how far the log has come.
TELL_EVERY_S = 10.0

# What a reader gets at once: events, each with its position, and the position after them.
News = tuple[Sequence[tuple[LogPosition, Event]], LogPosition]


class Tails:
    """The readers of one process, `most` at once."""

    def __init__(self, store: EventStore, most: int) -> None:
        self._store = store
        self._room = most
        self._end: tuple[LogPosition, float] | None = None

    async def follow(self, wanted: Filter, after: LogPosition | None) -> AsyncGenerator[News, None]:
        """What is stored after a position, or from now on, in order and without end. First of all, without events,
        where that begins. Raises Overloaded, FieldInvalid for a position that this log never had, and whatever the
        store raises."""
        loop = asyncio.get_running_loop()
        with self._one_more():
            end = await self._look(lately_s=0)
            after = after or end
            if _is_before(end, after):
                # The database was replaced by an older one: what comes now might stand before this position.
                raise FieldInvalid(
                    "resume_token", "must be of this log, and lies beyond its end; begin anew without it"
                )
            yield [], after
            told = loop.time()
            while True:
                end = await self._look()
                while _is_before(after, end):
                    with deadline.within(BATCH_BOUND_S):
                        passage = await self._store.read_log(wanted, after, end, PART)
                    if passage.end == after:
                        break
                    after = passage.end
                    if passage.events or loop.time() - told > TELL_EVERY_S:
                        yield passage.events, after
                        told = loop.time()
                if loop.time() - told > TELL_EVERY_S:
                    yield [], after
                    told = loop.time()
                await asyncio.sleep(LOOK_EVERY_S)

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if not self._room:
            raise Overloaded("too many readers follow the log here; try again in a moment")
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    async def _look(self, lately_s: float = _LATELY_S) -> LogPosition:
        """The end of the log as it is now, or was no longer ago than that."""
        loop = asyncio.get_running_loop()
        if self._end is None or loop.time() - self._end[1] >= lately_s:
            begun = loop.time()
            with deadline.within(BATCH_BOUND_S):
                self._end = (await self._store.end_of_log(), begun)
        return self._end[0]


def _is_before(one: LogPosition, other: LogPosition) -> bool:
    return (one.write, one.place) < (other.write, other.place)
