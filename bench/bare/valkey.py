"""An operation's part in Valkey: the commands that the service itself sends for it, sent again by a pipelined client.

They are recorded with MONITOR while one caller makes calls, so they are the same scripts with the same arguments,
however the service builds them. Request ids are made new for each round. Not everything that a call does shows there: a
page that the service still has is asked of nobody.
"""

import asyncio
import math
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from bench.bare.figures import Bare, quantile
from bench.bare.pipeline import Pipeline, packed
from bench.generator.cpu import cpu_seconds
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate

# How many ids the recorded requests name: a multiple of what is sent at once.
RECORDED_IDS = 128
_BOUND_S = 20.0
# '+1716579.123 [0 unix:/x] "EVALSHA" "…"'; what a script does by itself comes from 'lua'.
_LINE = re.compile(rb'^\d+\.\d+ \[\d+ (?!lua)[^\]]*\] (".*")$', re.S)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.S)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
# What the driver and the health watch send by themselves.
_NOT_A_CALL = (
    b"HELLO",
    b"CLIENT",
    b"PING",
    b"SCRIPT",
    b"SELECT",
    b"INFO",
    b"DBSIZE",
    b"MONITOR",
    b"FLUSHALL",
    b"CONFIG",
)


@dataclass(frozen=True)
class Recording:
    """The packed commands of each call, and what the request ids in them begin with."""

    calls: Sequence[bytes]
    commands_per_call: int
    id_prefix: bytes


async def record(socket: str, target: str, operation: Operation) -> Recording | None:
    """What a service at `target` sends to the Valkey at `socket` for one round of an operation's requests; None where
    it does not send the same number of commands for each."""
    calls = len(operation.requests)
    monitor = await asyncio.to_thread(Pipeline, socket)
    try:
        await asyncio.to_thread(monitor.ask, [b"MONITOR"])
        watching = asyncio.create_task(asyncio.to_thread(_watch, monitor))
        plan = Plan(target, [operation], callers=1, connections=1, seconds=_BOUND_S, warm_s=0, calls=calls)
        result = await generate(plan)
        # The last thing that the monitor sees.
        await asyncio.to_thread(Pipeline(socket).ask, [b"ECHO", _LAST])
        commands = await watching
    finally:
        monitor.close()
    per_call, odd = divmod(len(commands), calls)
    if odd or not per_call or result.answered < calls:
        return None
    each = [packed(command) for command in commands]
    grouped = [b"".join(each[at : at + per_call]) for at in range(0, len(each), per_call)]
    return Recording(grouped, per_call, result.id_prefix.encode())


async def replay(socket: str, recording: Recording, depth: int, seconds: float, server: int) -> Bare:
    """Sends the calls again, so many at once. `server` is the pid whose CPU they cost."""
    return await asyncio.to_thread(_replay, socket, recording, depth, seconds, server)


_LAST = uuid.uuid4().hex.encode()


def _watch(monitor: Pipeline) -> list[list[bytes]]:
    commands: list[list[bytes]] = []
    while True:
        command = words(monitor.answer())
        if command is None:
            continue
        if command == [b"ECHO", _LAST]:
            return commands
        # A script without keys is the health watch's.
        is_health = command[0].upper() == b"EVALSHA" and command[2] == b"0"
        if command[0].upper() not in _NOT_A_CALL and not is_health:
            commands.append(command)


def words(line: bytes) -> list[bytes] | None:
    """The command that a line of MONITOR shows; None for one that a script makes, and for any other line."""
    found = _LINE.match(line)
    return [_ESCAPE.sub(_unescaped, word) for word in _WORD.findall(found[1])] if found else None


def _unescaped(found: "re.Match[bytes]") -> bytes:
    what = found[1]
    return bytes.fromhex(what[1:].decode()) if len(what) == 3 else _PLAIN.get(what, what)


def _replay(socket: str, recording: Recording, depth: int, seconds: float, server: int) -> Bare:
    calls_of_a_round = list(recording.calls) * math.ceil(depth / len(recording.calls))
    groups = [calls_of_a_round[at : at + depth] for at in range(0, len(calls_of_a_round), depth)]
    chunks = [(b"".join(group), len(group)) for group in groups]
    pipeline = Pipeline(socket)
    times: list[float] = []
    calls = 0
    before = cpu_seconds({"server": server})["server"]
    began = now = time.perf_counter()
    until = began + seconds
    try:
        while now < until:
            # As each request id of a measured run is new.
            prefix = str(uuid.uuid4())[:24].encode()
            for chunk, size in chunks:
                renewed = chunk.replace(recording.id_prefix, prefix)
                sent = time.perf_counter()
                pipeline.send(renewed, size * recording.commands_per_call)
                now = time.perf_counter()
                times.append(1000 * (now - sent))
                calls += size
                if now >= until:
                    break
    finally:
        pipeline.close()
    cpu_s = cpu_seconds({"server": server})["server"] - before
    times.sort()
    return Bare(calls / (now - began), quantile(times, 0.5), quantile(times, 0.99), 1e6 * cpu_s / calls)
