"""Keeps one part alive: starts it, sees it become SERVING, starts it again when it dies, stops it."""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import Process
from typing import Protocol

from deploy.local.part import Part, PartFailedError
from deploy.local.process import end, ending, rotate, spawn

_START_WITHIN_S = 60.0
_TRIES_AT_START = 3
_STOP_WITHIN_S = 15.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_STEADY_AFTER_S = 30.0
_POLL_S = 0.05


class Listener(Protocol):
    """Who wants to hear how the parts are doing."""

    def part_started(self, unit: "Unit") -> None:
        """A part has a new process, which is not SERVING yet."""

    def part_up(self, unit: "Unit", seconds: float) -> None:
        """A part is SERVING, `seconds` after its start was wanted."""

    def part_died(self, unit: "Unit", how: str) -> None:
        """A part's process ended although nobody asked it to; it is started again."""


class Unit:
    """One part and its process."""

    def __init__(self, part: Part, listener: Listener) -> None:
        self.part = part
        self.restarts = 0
        self.process: Process | None = None
        self.up = asyncio.Event()
        self._listener = listener
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the part is SERVING, and keeps it alive from then on. Raises PartFailedError."""
        began = time.monotonic()
        rotate(self.part.log)
        await self.part.prepare()
        for attempt in range(1, _TRIES_AT_START + 1):
            process = await self._spawn()
            if await self._becomes_serving(process):
                break
            if process.returncode is None:
                raise PartFailedError(f"{self.part.name} is not SERVING after {_START_WITHIN_S:.0f} s", self.part.log)
            if attempt == _TRIES_AT_START:
                raise PartFailedError(f"{self.part.name} {ending(process.returncode)}", self.part.log)
            await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
        await self.part.settle()
        self.up.set()
        self._listener.part_up(self, time.monotonic() - began)
        self._keeper = asyncio.create_task(self._keep(process), name=f"keep {self.part.name}")

    async def stop(self) -> None:
        """Ends the process, politely at first, and does not start it again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        if self.process is not None:
            await end(self.process, self.part.stop_signal, _STOP_WITHIN_S)
        self.up.clear()

    def kill(self) -> None:
        """Kills the process as a crash would; it is then started again."""
        if self.process is not None and self.process.returncode is None:
            self.up.clear()
            self.process.send_signal(signal.SIGKILL)

    async def _spawn(self) -> Process:
        await self.part.clear()
        self.process = await spawn(self.part.command(), self.part.log, self.part.stop_signal)
        self._listener.part_started(self)
        return self.process

    async def _becomes_serving(self, process: Process) -> bool:
        """Waits until the part is SERVING; False when its process ended first or the time is over."""
        until = time.monotonic() + _START_WITHIN_S
        while process.returncode is None and time.monotonic() < until:
            if await self.part.serving():
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _keep(self, process: Process) -> None:
        """Starts the part again whenever it dies: at once after a steady life, ever later when it keeps dying."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            code = await process.wait()
            died = time.monotonic()
            self.up.clear()
            self._listener.part_died(self, ending(code))
            pause_s = _FIRST_PAUSE_S if died - began > _STEADY_AFTER_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self.restarts += 1
            with contextlib.suppress(PartFailedError):
                process = await self._spawn()
                if await self._becomes_serving(process):
                    self.up.set()
                    self._listener.part_up(self, time.monotonic() - died)
