"""Rolling restarts of every service under load through the gateway: not one call may fail."""

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from bench import operations
from bench.fleet import Fleet, fleet
from bench.generator.plan import Plan
from bench.generator.process import Generator
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table

HELP = "rolling restarts of each service, two replicas behind the gateway, under load"

_REPLICAS = 2
_LONGEST_S = 7200.0


@dataclass(frozen=True)
class Restart:
    """One replica that was stopped and came back: when (as time.time() has it) and how long each took."""

    service: str
    replica: int
    at: float
    stopped_s: float
    back_s: float
    exit_code: int


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")
    parser.add_argument("--rounds", type=int, default=20, help="rolling restarts of each service")
    parser.add_argument("--callers", type=int, default=32, help="callers at once, over 4 connections")
    parser.add_argument("--calls", type=int, default=100_000, help="so many calls must have been answered, at least")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Restarts one replica after the other, each when the gateway holds the one before for healthy again."""
    restarts: list[Restart] = []
    async with fleet(_REPLICAS, {"RPC_HOST": given.host}) as made:
        seed = await made.sow()
        plan = Plan(made.gateway, operations.everything(seed), callers=given.callers, seconds=_LONGEST_S, warm_s=0)
        generator = await Generator.start(plan)
        load = asyncio.create_task(generator.result())
        try:
            with Steps(console, given.rounds * len(made.replicas) * _REPLICAS) as steps:
                for number in range(given.rounds):
                    for name in made.replicas:
                        for replica in range(_REPLICAS):
                            steps.next(f"round {number + 1}: {name}, replica {replica + 1}")
                            restarts.append(await _restart(made, name, replica))
        finally:
            generator.stop()
        result = await load
    return _report(restarts, result, given)


async def _restart(made: Fleet, name: str, replica: int) -> Restart:
    service = made.replicas[name][replica]
    at, began = time.time(), time.monotonic()
    code = await service.stop()
    stopped = time.monotonic()
    await service.start()
    await made.whole()
    return Restart(name, replica, at, stopped - began, time.monotonic() - stopped, code)


def _report(restarts: list[Restart], result: Result, given: argparse.Namespace) -> Report:
    made = table(f"{given.rounds} rolling restarts", "operation", "calls", "p50 ms", "p99 ms", "longest ms", "failed")
    for name, measured in result.operations.items():
        times = measured.right
        cells = (f"{times.calls:,}", f"{times.p50_ms:.1f}", f"{times.p99_ms:.1f}", f"{times.max_ms:.0f}")
        made.add_row(name, *cells, str(sum(measured.failed.values())))
    figures: dict[str, Any] = {
        "host": given.host,
        "restarts": [asdict(restart) for restart in restarts],
        "load": asdict(result),
    }
    unclean = [restart for restart in restarts if restart.exit_code]
    stopped_s, back_s = (max(getattr(restart, name) for restart in restarts) for name in ("stopped_s", "back_s"))
    return Report(
        "restarts",
        figures,
        [made],
        [
            Check(
                "calls answered", f"{result.answered:,}", f"at least {given.calls:,}", result.answered >= given.calls
            ),
            Check("calls failed", f"{sum(result.failed.values())} {result.failed or ''}", "0", not result.failed),
            Check("stops that did not end with exit code 0", str(len(unclean)), "0", not unclean),
        ],
        [f"{len(restarts)} restarts; the slowest took {stopped_s:.1f} s to stop, {back_s:.1f} s to be back."],
    )
