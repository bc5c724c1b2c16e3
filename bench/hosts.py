"""What each host makes of the same services: calls a second, latency, CPU, in one run and in turns."""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bench import operations
from bench.bed import Services, bed
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table
from bench.seed import Seed, sow

HELP = "the hosts beside each other: calls/s, latency and CPU a call of profile and leaderboard"
NEW, OLD = "httpunk", "grpc_aio"

# How many times as many calls a second the new host must do.
_WANTED_RATIO = {"empty": 7.0, "SubmitScore": 4.5, "GetEntry": 4.5, "GetPlayer": 4.5, "ListAround(5)": 3.0}
_WANTED_P99 = 1 / 3
_WANTED_CPU = 1 / 4


@dataclass(frozen=True)
class Cell:
    """Medians of one operation, on one host, with so many callers."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    service_cpu_us: float
    generator_cpu_us: float
    failed: int

    @classmethod
    def of(cls, results: Sequence[Result], name: str) -> "Cell":
        """The medians of some runs."""

        def middle(values: Sequence[float]) -> float:
            return statistics.median(values)

        right = [result.operations[name].right for result in results]
        return cls(
            calls_per_s=middle([result.calls_per_s for result in results]),
            p50_ms=middle([times.p50_ms for times in right]),
            p99_ms=middle([times.p99_ms for times in right]),
            service_cpu_us=middle([result.charged_us("service") for result in results]),
            generator_cpu_us=middle([result.cpu_us for result in results]),
            failed=sum(sum(result.failed.values()) for result in results),
        )


Cells = Mapping[tuple[str, str, int], Cell]  # by operation, host, callers


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--seconds", type=float, default=5, help="measured time of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, whose medians count")
    parser.add_argument("--callers", type=int, default=64, help="callers at once; one caller is measured too")
    parser.add_argument("--connections", type=int, default=4, help="connections that they share")
    parser.add_argument("--hosts", nargs="+", default=[NEW, OLD], metavar="HOST", help="values of RPC_HOST")
    parser.add_argument("--operations", nargs="+", default=list(_WANTED_RATIO), choices=list(_WANTED_RATIO))


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Starts the services once for each host, over the same stores, and lets them work in turns."""
    async with bed() as made:
        running = {host: await made.start(host, {"RPC_HOST": host}) for host in given.hosts}
        first = running[given.hosts[0]]
        seed = await sow(first.profile.address, first.leaderboard.address)
        cells = await _measure(running, _chosen(seed, given.operations), given, console)
    return _report(cells, given)


def _chosen(seed: Seed, names: Sequence[str]) -> list[Operation]:
    all_of_them = [
        operations.empty(),
        operations.submit_score(seed),
        operations.get_entry(seed),
        operations.get_player(seed),
        operations.list_around(seed),
    ]
    return [operation for operation in all_of_them if operation.name in names]


async def _measure(
    running: Mapping[str, Services], chosen: Sequence[Operation], given: argparse.Namespace, console: Console
) -> Cells:
    crowds = [(given.callers, given.connections), (1, 1)]
    results: defaultdict[tuple[str, str, int], list[Result]] = defaultdict(list)
    with Steps(console, given.rounds * len(chosen) * len(crowds) * len(running)) as steps:
        for number in range(given.rounds):
            for operation in chosen:
                for callers, connections in crowds:
                    # A B, then B A: what warms up or wears out in between is no host's gain.
                    for host, services in list(running.items())[:: -1 if number % 2 else 1]:
                        steps.next(f"{operation.name}, {callers} callers, {host}")
                        service = services.of(operation.method)
                        plan = Plan(
                            target=service.address,
                            operations=[operation],
                            callers=callers,
                            connections=connections,
                            seconds=given.seconds,
                            charge={"service": service.pid},
                        )
                        results[operation.name, host, callers].append(await generate(plan))
    return {key: Cell.of(runs, key[0]) for key, runs in results.items()}


def _report(cells: Cells, given: argparse.Namespace) -> Report:
    figures = {
        "settings": {name: getattr(given, name) for name in ("seconds", "rounds", "callers", "connections")},
        "cells": [
            {"operation": operation, "host": host, "callers": callers} | asdict(cell)
            for (operation, host, callers), cell in cells.items()
        ],
    }
    checks = [
        Check(f"{operation} on {host}, {callers} callers: calls that failed", f"{cell.failed}", "0", holds=False)
        for (operation, host, callers), cell in cells.items()
        if cell.failed
    ]
    if {NEW, OLD} <= set(given.hosts):
        checks += _checks(cells, given)
    return Report("hosts", figures, [_table(cells, given, callers) for callers in (given.callers, 1)], checks)


def _table(cells: Cells, given: argparse.Namespace, callers: int) -> Table:
    title = f"{callers} callers over {given.connections} connections" if callers > 1 else "One caller"
    made = table(title, "operation", "host", "calls/s", "p50 ms", "p99 ms", "CPU µs a call", "generator's")
    for operation in given.operations:
        for host in given.hosts:
            cell = cells[operation, host, callers]
            made.add_row(
                operation,
                host,
                f"{cell.calls_per_s:,.0f}",
                f"{cell.p50_ms:.2f}",
                f"{cell.p99_ms:.2f}",
                f"{cell.service_cpu_us:.0f}",
                f"{cell.generator_cpu_us:.1f}",
            )
        made.add_section()
    return made


def _checks(cells: Cells, given: argparse.Namespace) -> list[Check]:
    checks = []
    for operation in given.operations:
        new, old = (cells[operation, host, given.callers] for host in (NEW, OLD))
        new_alone, old_alone = (cells[operation, host, 1] for host in (NEW, OLD))
        checks += [
            _at_least(f"{operation}: calls/s", new.calls_per_s, old.calls_per_s, _WANTED_RATIO[operation]),
            _at_most(f"{operation}: p99", new.p99_ms, old.p99_ms, _WANTED_P99),
            _at_most(f"{operation}: CPU a call", new.service_cpu_us, old.service_cpu_us, _WANTED_CPU),
            _at_most(f"{operation}: p50 of one caller", new_alone.p50_ms, old_alone.p50_ms, 1),
        ]
    return checks


def _at_least(what: str, new: float, old: float, times: float) -> Check:
    return Check(what, f"{new / old:.2f} times", f"at least {times:g} times", new >= times * old)


def _at_most(what: str, new: float, old: float, share: float) -> Check:
    return Check(what, f"{new / old:.2f} of it", f"at most {share:.2f} of it", new <= share * old)
