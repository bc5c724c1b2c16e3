"""The embedded stack for tests: own data directory, own ports, gone at the end.

async with stores(directory) as s:
    s.postgres_url("profile"), s.cache_url, s.ranks_url
async with stack(directory) as st:
    st.gateway, await st.kill("profile"), await st.serving("profile")
async with stack(directory, replicas=2) as st:
    await st.kill("profile-2"), await st.whole()
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from deploy.local.layout import Layout
from deploy.local.part import Part, PartFailedError
from deploy.local.process import tail
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack
from deploy.local.stores import Stores
from deploy.local.suite import Suite
from deploy.local.unit import Unit

P = TypeVar("P", bound=Part)

_SUITE_WITHIN_S = 15.0


class Silent:
    """A listener that ignores what it hears."""

    def part_started(self, unit: Unit) -> None:
        """Says nothing."""

    def part_up(self, unit: Unit, seconds: float) -> None:
        """Says nothing."""

    def part_died(self, unit: Unit, how: str) -> None:
        """Says nothing."""


class RunningStack:
    """The whole suite, and what a test may want to do to it."""

    def __init__(self, stack: Stack, suite: Suite) -> None:
        self._stack = stack
        self._suite = suite
        self.stores = suite.stores

    @property
    def gateway(self) -> str:
        """The gateway's host:port."""
        return self._suite.gateway.address

    def address(self, name: str) -> str:
        """Where a part listens: host:port, or the path of its socket."""
        return self._stack.units[name].part.address

    def environment(self, name: str) -> dict[str, str]:
        """The environment that a service was started with."""
        return next(dict(service.environment) for service in self._suite.services if service.name == name)

    def log(self, name: str) -> Path:
        """The file that a part's output goes to."""
        return self._stack.units[name].part.log

    def pid(self, name: str) -> int:
        """The process of a part, which another one replaces when it dies."""
        process = self._stack.units[name].process
        if process is None:
            raise LookupError(f"{name} has not been started")
        return process.pid

    async def kill(self, name: str) -> None:
        """Kills a part as a crash would; returns when it is dead. The stack starts it again."""
        unit = self._stack.units[name]
        process = unit.process
        unit.kill()
        if process is not None:
            await asyncio.wait_for(process.wait(), 5)

    async def serving(self, name: str, within_s: float = 30) -> None:
        """Waits until a part is SERVING (again), and the gateway knows it. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            await self._stack.units[name].up.wait()
            await self._suite.serving(within_s)

    async def whole(self, within_s: float = 30) -> None:
        """Waits until every part is SERVING, and the gateway sends calls to every replica. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            for unit in self._stack.units.values():
                await unit.up.wait()
            await self._suite.whole(within_s)


async def _started(stack: Stack) -> None:
    """Starts it. A part that cannot start says why in its log, whose end goes with the error: the log itself is gone by
    the time when somebody reads of it."""
    try:
        await stack.start()
    except PartFailedError as error:
        if error.log is not None:
            error.add_note("\n".join(tail(error.log)))
        raise


@asynccontextmanager
async def stores(directory: Path, **chosen: str) -> AsyncIterator[Stores]:
    """The stores alone, with their data, logs and sockets under `directory`; `chosen` are settings of the stack, such
    as replication_mode."""
    layout = Layout.of(directory)
    running = Stores(layout, StackSettings.on_free_ports(1, **chosen))
    alone = Stack(layout, running.parts, {}, Silent())
    await alone.claim({})
    await _started(alone)
    try:
        yield running
    finally:
        await alone.stop()


@asynccontextmanager
async def alone(directory: Path, make: Callable[[Layout], P]) -> AsyncIterator[P]:
    """One part, which needs no other, with its data and its log under `directory`."""
    layout = Layout.of(directory)
    part = make(layout)
    running = Stack(layout, (part,), {}, Silent())
    await running.claim({})
    await _started(running)
    try:
        yield part
    finally:
        await running.stop()


@asynccontextmanager
async def stack(directory: Path, replicas: int = 1, **chosen: str) -> AsyncIterator[RunningStack]:
    """Everything, with so many processes of each service, on ports that are free now, with data, logs and sockets under
    `directory`; `chosen` are settings of the stack, such as replication_mode."""
    settings = StackSettings.on_free_ports(replicas, **chosen)
    layout = Layout.of(directory)
    suite = Suite(layout, settings)
    whole = Stack(layout, suite.parts, settings.model_dump(mode="json"), Silent())
    await whole.claim(settings.ports())
    await _started(whole)
    try:
        await suite.serving(_SUITE_WITHIN_S)
        yield RunningStack(whole, suite)
    finally:
        await whole.stop()
