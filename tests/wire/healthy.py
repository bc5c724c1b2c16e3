"""Callers that mean no harm, on a connection of their own, in a process of their own: an attacker that is busy must
not be taken for a server that is slow.

`python -m tests.wire.healthy HOST:PORT BOARD` makes calls until its standard input ends. For each line that comes in it
writes one of JSON: what happened since the line before.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from tests.wire.target import Target

_ROOT = Path(__file__).parent.parent.parent
_TIMEOUT_S = 10.0
_PAUSE_S = 0.01
_MARK_BOUND_S = 15.0


@dataclass
class Calls:
    """What the healthy callers saw: how many calls they made, how the failed ones ended, the slowest in seconds, and
    how often they lost their connection."""

    made: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    connections_lost: int = 0


class Healthy:
    """The running process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def mark(self) -> Calls:
        """What happened since the last mark."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(_MARK_BOUND_S):
            self._process.stdin.write(b"\n")
            await self._process.stdin.drain()
            return Calls(**json.loads(await self._process.stdout.readline()))


@asynccontextmanager
async def calling(target: Target) -> AsyncIterator[Healthy]:
    """Healthy callers while the context is open."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.wire.healthy", target.address, target.board),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        healthy = Healthy(process)
        await healthy.mark()
        yield healthy
    finally:
        process.kill()
        await process.wait()


class _Caller:
    def __init__(self) -> None:
        self.calls = Calls()

    async def call(self, make: Callable[[], Awaitable[object]]) -> None:
        while True:
            begun = time.perf_counter()
            try:
                await make()
            except aio.AioRpcError as error:
                self.calls.failures.append(f"{error.code().name}: {error.details()}")
            self.calls.made += 1
            self.calls.slowest_s = max(self.calls.slowest_s, time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE_S)

    async def watch(self, channel: aio.Channel) -> None:
        while True:
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            self.calls.connections_lost += 1
            while channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
                await asyncio.sleep(_PAUSE_S)


async def _main(address: str, board: str) -> None:
    caller = _Caller()
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with aio.insecure_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), _TIMEOUT_S)
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
        get_entry = LeaderboardServiceStub(channel).GetEntry
        entry = pb.GetEntryRequest(leaderboard_id=board, entry_id="entry-0")
        makes: list[Callable[[], Awaitable[object]]] = [
            lambda: check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S),
            lambda: get_entry(entry, timeout=_TIMEOUT_S),
        ]
        tasks = [asyncio.create_task(caller.call(make)) for make in makes]
        tasks.append(asyncio.create_task(caller.watch(channel)))
        while await lines.readline():
            seen, caller.calls = caller.calls, Calls()
            print(json.dumps(asdict(seen)), flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
