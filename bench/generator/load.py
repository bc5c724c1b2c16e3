"""Runs a plan: callers over connections, a time that is not measured, one that is, and the result."""

import asyncio
import gc
import itertools
import math
import random
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress

from httpunk.http import HeaderMap

from bench.generator import outcome
from bench.generator.caller import Caller
from bench.generator.cancels import cancel_in_bursts
from bench.generator.cpu import cpu_seconds
from bench.generator.deadlines import Deadlines
from bench.generator.line import Line
from bench.generator.plan import Plan
from bench.generator.result import Result
from bench.generator.traffic import MARK, Traffic

_SLICE_S = 0.25
_LAST_CALLS_S = 10.0


class Load:
    """What the callers of a plan share."""

    def __init__(self, plan: Plan) -> None:
        self.over = False
        self.deadlines = None if plan.deadline_s is None else Deadlines(plan.deadline_s)
        self.headers = _headers(plan.deadline_s)
        self._plan = plan
        self._traffic = [Traffic(operation) for operation in plan.operations]
        self._turns = itertools.cycle(_turns(self._traffic, [operation.weight for operation in plan.operations]))
        self._ids = itertools.count()
        self._id_prefix = str(uuid.uuid4())[:24].encode()
        self._slices: list[int] = [0]
        self._left = math.inf if plan.calls is None else plan.calls
        self._stop = asyncio.Event()

    def next_call(self) -> tuple[Traffic, bytes, bytes]:
        """The operation, the framed request, and what its answer must contain."""
        self._left -= 1
        if self._left <= 0:
            self.over = True
            self._stop.set()
        traffic = next(self._turns)
        framed, expect, marked = next(traffic.requests)
        if marked:
            call_id = self._id_prefix + b"%012x" % next(self._ids)
            return traffic, framed.replace(MARK, call_id), expect.replace(MARK, call_id)
        return traffic, framed, expect

    def right(self, traffic: Traffic, seconds: float) -> None:
        """A call was answered as it should be."""
        traffic.tally.right.add(int(seconds * 1e6))
        self._slices[-1] += 1

    def failed(self, traffic: Traffic, kind: str, message: str, seconds: float) -> None:
        """A call ended otherwise."""
        traffic.tally.failed(kind, message, int(seconds * 1e6))

    def pause_s(self) -> float:
        """How long a caller whose call was refused waits now: not all of them come back at once."""
        return self._plan.pause_s * random.uniform(0.5, 1.5)

    async def run(self, stop: asyncio.Event) -> Result:
        """Returns after the plan's time or calls, or soon after `stop` is set. Raises OSError when the target is not
        there."""
        plan, self._stop = self._plan, stop
        lines = [Line(plan.target) for _ in range(plan.connections)]
        await asyncio.gather(*(line.open() for line in lines))
        callers = [Caller(self, lines[number % len(lines)]) for number in range(plan.callers)]
        jobs = [] if self.deadlines is None else [asyncio.create_task(self.deadlines.keep())]
        if plan.cancel_share:
            jobs.append(asyncio.create_task(cancel_in_bursts(callers, plan.cancel_share, plan.burst_every_s)))
        # Nothing of a call is a cycle, so collections would only make pauses that look like the server's.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        for caller in callers:
            caller.begin()
        await _sleep(plan.warm_s, stop)

        for traffic in self._traffic:
            traffic.count_anew()
        self._slices = [0]
        charged = cpu_seconds(plan.charge)
        began_at, began, cpu = time.time(), time.perf_counter(), time.process_time()
        slicing = asyncio.create_task(self._slice(began))
        await _sleep(plan.seconds, stop)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        measured = {traffic.name: traffic.count_anew() for traffic in self._traffic}
        charged_s = {name: seconds - charged[name] for name, seconds in cpu_seconds(plan.charge).items()}
        slicing.cancel()
        slices, self._slices = self._slices, [0]

        self.over = True
        await self._last_calls(callers)
        for job in jobs:
            job.cancel()
        await asyncio.gather(slicing, *jobs, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in lines))
        fields = {
            "seconds": seconds,
            "cpu_s": cpu_s,
            "charged_s": charged_s,
            "began_at": began_at,
            "slice_s": _SLICE_S,
            "right_by_slice": slices,
            "operations": {name: tally.summary() for name, tally in measured.items()},
            "ended": {traffic.name: traffic.ended() for traffic in self._traffic},
            "id_prefix": self._id_prefix.decode(),
        }
        return Result(**fields)  # type: ignore[arg-type] # only to be written as JSON

    async def _slice(self, began: float) -> None:
        for number in itertools.count(1):
            await asyncio.sleep(max(0.0, began + number * _SLICE_S - time.perf_counter()))
            self._slices.append(0)

    async def _last_calls(self, callers: Sequence[Caller]) -> None:
        until = time.perf_counter() + _LAST_CALLS_S
        while (left := [caller for caller in callers if caller.on_its_way]) and time.perf_counter() < until:
            await asyncio.sleep(0.01)
        for caller in left:
            caller.give_up(outcome.UNANSWERED)


def _headers(deadline_s: float | None) -> HeaderMap:
    headers = HeaderMap([("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "savepoint-bench")])
    if deadline_s is not None:
        headers["grpc-timeout"] = f"{round(deadline_s * 1000)}m"
    return headers


def _turns(traffic: Sequence[Traffic], weights: Sequence[int]) -> list[Traffic]:
    """Each as often as it weighs, evenly mixed."""
    places = [
        ((turn + 0.5) / weight, each) for each, weight in zip(traffic, weights, strict=True) for turn in range(weight)
    ]
    return [each for _, each in sorted(places, key=lambda place: place[0])]


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
