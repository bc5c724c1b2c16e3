"""The callers' own timers: a call that has no answer when its deadline is over is reset, whatever the server does."""

import asyncio
from collections import deque
from time import perf_counter

from bench.generator import outcome
from bench.generator.caller import Caller

_LOOK_EVERY_S = 0.005


class Deadlines:
    """Every call has the same time, so they run out in the order in which the calls began: one queue, one timer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: deque[tuple[float, Caller, int]] = deque()

    def watch(self, caller: Caller) -> None:
        """Starts the timer of the call that this caller has just begun."""
        self._running.append((perf_counter() + self._seconds, caller, caller.attempt))

    async def keep(self) -> None:
        """Resets what is late, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = perf_counter()
            while self._running and self._running[0][0] <= now:
                _, caller, attempt = self._running.popleft()
                if caller.attempt == attempt and caller.on_its_way:
                    caller.give_up(outcome.DEADLINE)
