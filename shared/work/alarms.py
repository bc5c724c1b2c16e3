"""Many alarms, of which hardly any rings: they bound the time of calls without a timer for each call.

A timer of the event loop takes 3 µs to set and to cancel. Alarms that are due within the same few milliseconds share
one here. It stays when all of them have been turned off, since the next call needs it: so there are at most as many
timers as there are such moments until the farthest deadline, some thousand.
"""

import asyncio
import math
from typing import Any

# Alarms ring up to this much late.
GRAIN_S = 0.005


class Alarm:
    """Cancels the task that has set it, once, unless it is turned off before. `rang` says whether it has."""

    __slots__ = ("_due", "rang", "task")

    def __init__(self, due: "set[Alarm]", task: "asyncio.Task[Any]") -> None:
        self.rang = False
        self.task = task
        self._due = due
        due.add(self)

    def ring(self) -> None:
        """Its time has come."""
        self.rang = True
        self.task.cancel()

    def turn_off(self) -> None:
        """It rings no more."""
        self._due.discard(self)


class Alarms:
    """Those of one owner, on one event loop."""

    def __init__(self) -> None:
        # Asking for the running loop is a system call (before Python 3.12), so it is done once.
        self._loop: asyncio.AbstractEventLoop | None = None
        # Those that share a timer, by the number of the moment at which it rings.
        self._due: dict[int, set[Alarm]] = {}

    def set(self, at: float) -> Alarm:
        """Cancels the current task at a moment of the loop's time, GRAIN_S later at the latest. Whoever sets it turns
        it off, and uncancels the task where it has rung."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be cancelled")
        moment = math.ceil(at / GRAIN_S)
        due = self._due.get(moment)
        if due is None:
            due = self._due[moment] = set()
            loop.call_at(moment * GRAIN_S, self._ring, moment)
        return Alarm(due, task)

    def _ring(self, moment: int) -> None:
        for alarm in self._due.pop(moment):
            alarm.ring()
