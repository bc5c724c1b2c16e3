"""Millions of mixed calls at one service, and the memory of its process meanwhile: it must be small, and stay."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from bench import catalogue
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.measuring import CONNECTIONS
from bench.processes import Memory, memory_of
from bench.progress import Steps
from bench.report import Check, Report, table
from bench.world import SERVICES, STEPS, Sizes, World, world

HELP = "millions of mixed calls at a service: its memory is small, and does not grow"

_LOOKS = 20
_MOST_MB = 150
_MB = 1_000_000
_GROWTH = 1.05
_SETTLED = 0.15  # of the calls: then the pools are full and every code path has been taken
_READS = 3  # for each write
_LONGEST_S = 4 * 3600.0  # of one of the looks; its calls end it long before
_CHEAP_BATCHES = (
    "BatchSubmitScores(1000)",
)  # one of these is worth a thousand calls: it would be all that is measured


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--service", default="leaderboard", help=f"one of {', '.join(SERVICES)}")
    parser.add_argument("--millions", type=float, default=10, help="how many million calls")
    parser.add_argument("--callers", type=int, default=64, help="callers at once")
    parser.add_argument("--players", type=int, default=10_000, help="how many players there are")
    parser.add_argument("--entries", type=int, default=100_000, help="how many entries the board has")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Looks at the memory after each twentieth of the calls. Raises UnknownNameError."""
    catalogue.check([given.service], SERVICES, "service")
    calls = max(_LOOKS, round(given.millions * 1e6))
    samples: list[tuple[int, Memory]] = []
    failed, made, began = 0, 0, time.monotonic()
    with Steps(console, STEPS + _LOOKS) as steps:
        async with world(Sizes(given.players, given.entries), steps) as there:
            chosen = _mixture(there, given.service)
            for look in range(_LOOKS):
                steps.next(f"{made / 1e6:.2f} million calls, {_mb(samples[-1][1]) if samples else 0:.0f} MB")
                result = await generate(
                    Plan(
                        there.address(given.service),
                        chosen,
                        callers=given.callers,
                        connections=CONNECTIONS,
                        seconds=_LONGEST_S,
                        warm_s=0,
                        calls=calls * (look + 1) // _LOOKS - calls * look // _LOOKS,
                    )
                )
                made += result.answered
                failed += sum(result.failed.values())
                samples.append((made, memory_of({"service": there.stack.pid(given.service)})["service"]))
    return report(given.service, samples, failed, time.monotonic() - began)


def _mixture(there: World, service: str) -> list[Operation]:
    chosen = [case for case in catalogue.CASES if case.service == service and case.name not in _CHEAP_BATCHES]
    return [replace(case.operation(there.seed), weight=1 if case.writes else _READS) for case in chosen]


def report(service: str, samples: Sequence[tuple[int, Memory]], failed: int, seconds: float) -> Report:
    """What the samples say: calls so far, and the memory then."""
    made = table(f"{service} under mixed calls", "calls", "RSS MB", "USS MB")
    for calls, memory in samples:
        made.add_row(f"{calls:,}", f"{_mb(memory):.1f}", f"{memory.uss / _MB:.1f}")
    total, last = samples[-1]
    settled = next(memory for calls, memory in samples if calls >= _SETTLED * total)
    most = max(_mb(memory) for _, memory in samples)
    growth = last.rss / settled.rss
    return Report(
        "memory",
        {
            "service": service,
            "seconds": seconds,
            "samples": [{"calls": calls} | vars(memory) for calls, memory in samples],
        },
        [made],
        [
            Check(f"{service}: RSS, at most", f"{most:.0f} MB", f"under {_MOST_MB} MB", most < _MOST_MB),
            Check(f"{service}: RSS since it settled", f"{growth:.1%}", f"at most {_GROWTH:.0%}", growth <= _GROWTH),
            Check("calls that failed", f"{failed}", "0", not failed),
        ],
        [f"{total:,} calls in {seconds:,.0f} s."],
    )


def _mb(memory: Memory) -> float:
    return memory.rss / _MB
