"""Groups of Valkeys, under Sentinel or in a cluster: a test may kill their servers, start them again, move slots."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from deploy.local.embedded import Silent
from deploy.local.layout import Layout
from deploy.local.servers.valkey import Ranks
from deploy.local.servers.valkey_cluster import ClusterGroup
from deploy.local.servers.valkey_node import ValkeyNode
from deploy.local.servers.valkey_sentinel import SentinelGroup
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack
from shared.stores import valkey
from shared.stores.valkey import Valkey
from shared.stores.valkey.pipeline import UNANSWERED
from shared.stores.valkey.slots import slot_of
from shared.telemetry.store import StoreTelemetry

MoveKeys = Callable[..., Awaitable[None]]


class Group:
    """One that runs. `names` are its servers, `every_name` those of the sentinels too."""

    def __init__(self, stack: Stack, group: SentinelGroup | ClusterGroup, mode: str) -> None:
        self._stack = stack
        self._group = group
        self.mode = mode
        self.settings = {"DATABASE_TYPE": "valkey", "REPLICATION_MODE": mode, **group.settings}
        servers = group.servers if isinstance(group, SentinelGroup) else group.nodes
        self.names = [server.name for server in servers]
        self.every_name = [part.name for part in group.parts]

    def node(self, name: str) -> ValkeyNode:
        """A server or a sentinel."""
        return next(part for part in self._group.parts if part.name == name and isinstance(part, ValkeyNode))

    async def kill(self, name: str) -> None:
        """By SIGKILL; it stays away until `start`."""
        unit = self._stack.units[name]
        unit.kill()
        await unit.stop()

    async def start(self, name: str) -> None:
        """Starts one again that was killed, with the data and in the role that it had."""
        await self._stack.units[name].start()

    def pid(self, name: str) -> int:
        """The process."""
        process = self._stack.units[name].process
        assert process is not None
        return process.pid

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """A server does nothing while the context is open, and keeps its connections."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def ask(self, name: str, *words: str) -> Any:
        """The answer of a server to a command."""
        async with self.node(name).client() as client:
            return await client.ask(*words)

    async def without_password(self, name: str) -> str:
        """The code with which a server refuses who does not know the password."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node(name).port)
        writer.write(b"PING\r\n")
        line = await reader.readline()
        writer.close()
        return line.decode().removeprefix("-").partition(" ")[0]

    async def info(self, name: str, section: str) -> dict[str, str]:
        """What INFO says."""
        lines: bytes = await self.ask(name, "INFO", section)
        return dict(line.split(":", 1) for line in lines.decode().splitlines() if ":" in line)

    async def role(self, name: str) -> str:
        """master or slave; nothing where the server is away, or closes the connection because its role changes."""
        try:
            return (await self.info(name, "replication"))["role"]
        except UNANSWERED:
            return ""

    async def scripts_run(self, name: str) -> int:
        """How many script calls a server has got since its start."""
        stats = await self.info(name, "commandstats")
        called = [stats[f"cmdstat_{command}"] for command in ("eval", "evalsha") if f"cmdstat_{command}" in stats]
        return sum(int(each.partition(",")[0].removeprefix("calls=")) for each in called)

    async def owner(self, key: str) -> str:
        """The name of the primary that has a key."""
        if self.mode == "replica":
            roles = {await self.role(name): name for name in self.names}
            return roles["master"]
        slot = slot_of(key)
        asked = next(name for name in self.names if self._stack.units[name].up.is_set())
        for first, last, primary, *_ in await self.ask(asked, "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(name for name in self.names if self.node(name).port == primary[1])
        raise LookupError(f"nobody has slot {slot}")

    async def replica_of(self, name: str) -> str:
        """The name of a primary's replica, which has all of its data."""
        async with asyncio.timeout(10):
            while True:
                said = await self.info(name, "replication")
                replica = dict(part.split("=") for part in said.get("slave0", "port=0").split(","))
                if replica.get("offset") == said["master_repl_offset"]:
                    return next(each for each in self.names if self.node(each).port == int(replica["port"]))
                await asyncio.sleep(0.05)

    async def cut(self, primary: str, replica: str) -> None:
        """From now on the replica gets nothing more of what the primary does."""
        await self.ask(replica, "CONFIG", "SET", "masterauth", "wrong")
        await self.ask(primary, "CLIENT", "KILL", "TYPE", "replica")

    async def fail_over(self, primary: str, replica: str) -> None:
        """Kills the primary; returns when the replica has taken over."""
        await self.kill(primary)
        async with asyncio.timeout(15):
            while await self.role(replica) != "master":
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def moving(self, slot: int, source: str, target: str) -> AsyncIterator[MoveKeys]:
        """A slot is on its way from one primary to another while the context is open; what it has then stays behind."""
        source_id, target_id = [(await self.ask(name, "CLUSTER", "MYID")).decode() for name in (source, target)]
        to, password = self.node(target), self._group.password.value
        async with self.node(source).client() as at_source:

            async def move_keys(*keys: str) -> None:
                where = ("127.0.0.1", str(to.port), "", "0", "5000", "AUTH", password)
                await at_source.ask("MIGRATE", *where, "KEYS", *keys)

            await self.ask(target, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", source_id)
            await at_source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target_id)
            yield move_keys
            for name in (target, source):
                await self.ask(name, "CLUSTER", "SETSLOT", str(slot), "NODE", target_id)

    async def tag_of(self, name: str) -> str:
        """A hash tag whose slot a primary has."""
        ranges = await self._slots(name)
        tags = (uuid.uuid4().hex for _ in range(10_000))
        return next(tag for tag in tags if any(first <= slot_of(tag) <= last for first, last in ranges))

    async def move(self, slot: int, source: str, target: str) -> None:
        """Moves a slot and its keys, some at a time, as valkey-cli does."""
        async with self.moving(slot, source, target) as move_keys, self.node(source).client() as client:
            while keys := await client.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "5"):
                await move_keys(*(key.decode() for key in keys))

    async def move_whole(self, slot: int, source: str, target: str) -> None:
        """Moves a slot and its keys in one step, as Valkey 9 can."""
        target_id = (await self.ask(target, "CLUSTER", "MYID")).decode()
        await self.ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", str(slot), str(slot), "NODE", target_id)
        async with asyncio.timeout(20):
            while not any(first <= slot <= last for first, last in await self._slots(target)):
                await asyncio.sleep(0.01)

    async def _slots(self, name: str) -> list[tuple[int, int]]:
        port = self.node(name).port
        answer = await self.ask(name, "CLUSTER", "SLOTS")
        return [(first, last) for first, last, primary, *_ in answer if primary[1] == port]

    @asynccontextmanager
    async def connect(
        self, telemetry: StoreTelemetry, *, answer_timeout_s: float = 2, tells_reign: bool = False
    ) -> AsyncIterator[Valkey]:
        """As a service connects to it."""
        password = self.settings.get("SENTINEL_PASSWORD", "")
        async with valkey.connect(
            self.settings["REDIS_URL"],
            telemetry,
            answer_timeout_s=answer_timeout_s,
            start_timeout_s=10,
            mode=self.mode,
            sentinel_password=password,
            tells_reign=tells_reign,
        ) as connected:
            yield connected


@asynccontextmanager
async def group(directory: Path, mode: str) -> AsyncIterator[Group]:
    """A group of this mode (replica or cluster), as the leaderboards have it."""
    layout = Layout.of(directory)
    port = StackSettings.on_free_ports(1, replication_mode=mode).ranks_port
    kind = SentinelGroup if mode == "replica" else ClusterGroup
    made = kind(layout, "ranks", port, Ranks.settings)
    stack = Stack(layout, made.parts, {}, Silent())
    await stack.claim({})
    await stack.start()
    try:
        yield Group(stack, made, mode)
    finally:
        await stack.stop()
