"""One attack, measured from outside: what it got, what it cost the service, and what the others noticed."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from tests.wire import frames
from tests.wire.connection import Answer, call, connected
from tests.wire.expected import Expected, expected
from tests.wire.healthy import Calls, Healthy
from tests.wire.registry import Attack
from tests.wire.target import Target

HEALTHY_BOUND_S = 2.0
FRESH_BOUND_S = 1.0
GROWTH_BOUND_MB = 30.0
ATTACK_BOUND_S = 100.0
# Memory that an attack took may take a moment to be given back: a deadline, a collection.
_CALM_S = 2.0
# A short attack is given time to be felt: the healthy callers make a few calls beside it or right after.
_SHORTEST_S = 0.1
_SAMPLE_S = 0.01
_MB = 1024 * 1024


@dataclass(frozen=True)
class Report:
    """What one attack did: memory in MB (resident), CPU and times in seconds."""

    attack: str
    size: int
    answer: dict[str, int]
    seconds: float
    cpu_s: float
    fresh_call_s: float
    memory_before: float
    memory_peak: float
    memory_after: float
    healthy: Calls
    violations: Sequence[str] = field(default=())

    @property
    def memory_kept(self) -> float:
        """MB by which the service is larger than before."""
        return self.memory_after - self.memory_before


async def measure(attack: Attack, size: int, target: Target, pid: int, host: str, healthy: Healthy) -> Report:
    """Makes the attack and judges it. `pid` is the service's process; `host` says which outcomes are right.

    An attack after which memory stays higher is made once more: what the allocator keeps, to use it again, it keeps
    once; what leaks grows with every attack.
    """
    report = await _attacked(attack, size, target, pid, healthy)
    if report.memory_kept > GROWTH_BOUND_MB:
        report = await _attacked(attack, size, target, pid, healthy)
    return _judged(report, expected(attack.name, host), attack.peak_mb)


async def _attacked(attack: Attack, size: int, target: Target, pid: int, healthy: Healthy) -> Report:
    process = psutil.Process(pid)
    await healthy.mark()
    before, cpu = _memory(process), _cpu(process)
    begun = time.perf_counter()
    with _peak(process) as samples:
        try:
            async with asyncio.timeout(ATTACK_BOUND_S):
                answer = await attack.run(target, size)
        except TimeoutError:
            answer = Answer({f"not over after {ATTACK_BOUND_S:g} s": 1})
        seconds = time.perf_counter() - begun
        fresh = await _fresh_call(target)
        await asyncio.sleep(_SHORTEST_S - (time.perf_counter() - begun))
        after = await _memory_in_the_end(process, before)
    calls = await healthy.mark()
    return Report(
        attack=attack.name,
        size=size,
        answer={name: count for name, count in sorted(answer.items()) if count},
        seconds=seconds,
        cpu_s=_cpu(process) - cpu,
        fresh_call_s=fresh,
        memory_before=before,
        memory_peak=max(samples),
        memory_after=after,
        healthy=calls,
    )


def _judged(report: Report, allowed: Expected, peak_mb: int) -> Report:
    healthy = report.healthy
    violations = list(allowed.violations(report.answer))
    if healthy.failures:
        violations.append(f"{len(healthy.failures)} healthy calls failed: {healthy.failures[0]}")
    if not healthy.made:
        violations.append("no healthy call came through")
    if healthy.connections_lost:
        violations.append("the healthy callers' connection was lost")
    if healthy.slowest_s > HEALTHY_BOUND_S:
        violations.append(f"a healthy call took {healthy.slowest_s:.2f} s")
    if report.fresh_call_s > FRESH_BOUND_S:
        violations.append(f"a fresh connection's call took {report.fresh_call_s:.2f} s")
    if report.memory_kept > GROWTH_BOUND_MB:
        violations.append(f"memory stays {report.memory_kept:.0f} MB higher, each time")
    if report.memory_peak - report.memory_before > peak_mb:
        violations.append(f"memory rose by {report.memory_peak - report.memory_before:.0f} MB; bound {peak_mb}")
    return Report(**{**vars(report), "violations": violations})


async def _fresh_call(target: Target) -> float:
    """How long a call takes that brings a connection of its own, in seconds; endless if it does not succeed."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(10 * FRESH_BOUND_S), connected(target) as connection:
            await connection.send(call(1, "GetEntry", frames.message(target.get_entry)))
            await connection.answered(1)
            return time.perf_counter() - begun if connection.seen["OK"] == 1 else float("inf")
    except (OSError, TimeoutError, AssertionError):
        return float("inf")


async def _memory_in_the_end(process: psutil.Process, before: float) -> float:
    until = time.perf_counter() + _CALM_S
    while (memory := _memory(process)) - before > GROWTH_BOUND_MB and time.perf_counter() < until:
        await asyncio.sleep(0.1)
    return memory


@contextmanager
def _peak(process: psutil.Process) -> Iterator[list[float]]:
    """The highest memory seen while the context is, as the only item of a list."""
    highest = [_memory(process)]

    async def sample() -> None:
        while True:
            highest[0] = max(highest[0], _memory(process))
            await asyncio.sleep(_SAMPLE_S)

    task = asyncio.get_running_loop().create_task(sample())
    try:
        yield highest
    finally:
        task.cancel()


def _memory(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MB


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
