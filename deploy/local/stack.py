"""The supervisor: starts the parts, each as soon as what it needs is up, keeps them alive, and stops them in order."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.local import leftovers, ports, state
from deploy.local.layout import Layout
from deploy.local.part import Part, PartFailedError
from deploy.local.unit import Listener, Unit


class AlreadyRunningError(Exception):
    """Another supervisor runs on this data directory."""


class Stack:
    """Some parts over one data directory. Tells `listener` how they are doing, and the state file for others."""

    def __init__(self, layout: Layout, parts: Sequence[Part], settings: dict[str, Any], listener: Listener) -> None:
        self.layout = layout
        self.units = {part.name: Unit(part, self) for part in parts}
        self._settings = settings
        self._listener = listener
        self._lock: Any = None

    async def claim(self, tcp_ports: Mapping[str, Sequence[int]]) -> None:
        """Locks the data directory for this stack, ends what a killed run has left, and checks that the ports are free.

        Raises AlreadyRunningError, PortError, or OSError where the directory cannot be used.
        """
        self.layout.make()
        self._lock = state.lock(self.layout)
        if self._lock is None:
            raise AlreadyRunningError
        before = state.read(self.layout)
        self._record(before.parts if before else {})
        try:
            if before is not None:
                await leftovers.end(before.alive())
            ports.check(tcp_ports)
        except BaseException:
            await self.stop()
            raise

    async def start(self) -> None:
        """Returns when every part is SERVING. Raises PartFailedError, or OSError, with everything stopped again."""
        try:
            async with asyncio.TaskGroup() as starting:
                for unit in self.units.values():
                    starting.create_task(self._start(unit))
        except ExceptionGroup as failed:
            await self.stop()
            raise _first_reason(failed) from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops every part: always first those that no other one needs. Bounded; leaves no process."""
        left = dict(self.units)
        while left:
            needed = {name for unit in left.values() for name in unit.part.needs}
            layer = [unit for name, unit in left.items() if name not in needed]
            await asyncio.gather(*(unit.stop() for unit in layer))
            for unit in layer:
                del left[unit.part.name]
        if self._lock is not None:
            self.layout.state.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    async def _start(self, unit: Unit) -> None:
        for name in unit.part.needs:
            await self.units[name].up.wait()
        await unit.start()

    def part_started(self, unit: Unit) -> None:
        """Records the new process, so that a later run knows it as one of ours."""
        self._record(self._processes())
        self._listener.part_started(unit)

    def part_up(self, unit: Unit, seconds: float) -> None:
        """Passes it on."""
        self._listener.part_up(unit, seconds)

    def part_died(self, unit: Unit, how: str) -> None:
        """Passes it on."""
        self._listener.part_died(unit, how)

    def _processes(self) -> dict[str, state.Recorded]:
        return {
            name: recorded
            for name, unit in self.units.items()
            if unit.process is not None and (recorded := state.Recorded.of(unit.process.pid, unit.restarts))
        }

    def _record(self, parts: dict[str, state.Recorded]) -> None:
        supervisor = state.Recorded.of(os.getpid())
        if supervisor is not None:
            state.write(self.layout, state.State(supervisor, self._settings, parts))


def _first_reason(failed: ExceptionGroup[Exception]) -> Exception:
    """The exception that says most: why a part failed, before anything else that went wrong with it."""
    reasons = [reason for reason in failed.exceptions if isinstance(reason, PartFailedError)]
    return reasons[0] if reasons else failed.exceptions[0]
