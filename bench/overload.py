"""More callers than a service takes: are they refused at once, does the work go on, and is it as before afterwards?"""

import argparse
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import operations, recovery
from bench.bed import Services, bed
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table
from bench.seed import sow

HELP = "600 callers where 64 may be: how soon they are refused, what work is left; recovery from deadlines and cancels"

_LIMIT = 64
_REFUSED = "RESOURCE_EXHAUSTED/OVERLOADED"
_WANTED_P99_MS = 50.0
_WANTED_SHARE = 0.9


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")
    parser.add_argument("--callers", type=int, default=600, help="callers at once, over 4 connections")
    parser.add_argument("--seconds", type=float, default=10, help="measured time of each run")
    parser.add_argument(
        "--pause-ms",
        type=float,
        nargs="+",
        default=[100.0, 0.0],
        metavar="MS",
        help="how long a refused caller waits before its next call; 0: it calls again at once, as no client should",
    )
    parser.add_argument("--parts", nargs="+", choices=["refusals", "recovery"], default=["refusals", "recovery"])
    recovery.arguments(parser)


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Both parts, each on services of its own."""
    report = Report("overload", {"host": given.host, "callers": given.callers})
    if "refusals" in given.parts:
        report = report.joined(await _refusals(given, console))
    if "recovery" in given.parts:
        report = report.joined(await recovery.run(given, console))
    return report


@dataclass(frozen=True)
class _Row:
    """One crowd, and the calm before and after it: a machine's speed drifts, so its peak is measured before and
    after."""

    name: str
    manner: str
    before: Result
    crowded: Result
    after: Result

    @property
    def peak(self) -> float:
        """Calls a second of as many callers as there is room for."""
        return (self.before.calls_per_s + self.after.calls_per_s) / 2


async def _refusals(given: argparse.Namespace, console: Console) -> Report:
    async with bed() as made:
        services = await made.start("overload", {"RPC_HOST": given.host, "MAX_CONCURRENT_CALLS": str(_LIMIT)})
        seed = await sow(services.profile.address, services.leaderboard.address)
        chosen = [operations.submit_score(seed), operations.get_player(seed), operations.adjust_coins(seed)]
        rows: list[_Row] = []
        with Steps(console, len(chosen) * (1 + 2 * len(given.pause_ms))) as steps:
            for operation in chosen:
                steps.next(f"{operation.name}, {_LIMIT} callers")
                before = await generate(_plan(services, operation, _LIMIT, given.seconds, 0))
                for pause_ms in given.pause_ms:
                    steps.next(f"{operation.name}, {given.callers} callers")
                    crowded = await generate(_plan(services, operation, given.callers, given.seconds, pause_ms))
                    steps.next(f"{operation.name}, {_LIMIT} callers again")
                    after = await generate(_plan(services, operation, _LIMIT, given.seconds, 0))
                    manner = f"come back after {pause_ms:g} ms" if pause_ms else "come back at once"
                    rows.append(_Row(operation.name, manner, before, crowded, after))
                    before = after
    checks = [check for row in rows for check in _checks(row)]
    figures = {"refusals": [_figures(row) for row in rows]}
    return Report("overload", figures, [_table(rows, given.callers)], checks)


def _plan(services: Services, operation: Operation, callers: int, seconds: float, pause_ms: float) -> Plan:
    service = services.of(operation.method)
    return Plan(
        target=service.address,
        operations=[operation],
        callers=callers,
        seconds=seconds,
        pause_s=pause_ms / 1000,
        charge={"service": service.pid},
    )


def _figures(row: _Row) -> dict[str, Any]:
    crowded = row.crowded
    refused = crowded.operations[row.name].failures.get(_REFUSED)
    return {
        "operation": row.name,
        "refused_callers": row.manner,
        "peak_calls_per_s": row.peak,
        "calls_per_s": crowded.calls_per_s,
        "p99_ms": crowded.operations[row.name].right.p99_ms,
        "refused_per_s": refused.calls / crowded.seconds if refused else 0.0,
        "refused_p50_ms": refused.p50_ms if refused else 0.0,
        "refused_p99_ms": refused.p99_ms if refused else 0.0,
        "failed": {kind: count for kind, count in crowded.failed.items() if kind != _REFUSED}
        | row.before.failed
        | row.after.failed,
    }


def _table(rows: list[_Row], callers: int) -> Table:
    made = table(
        f"{callers} callers where {_LIMIT} may be at work",
        "operation",
        "refused callers",
        "peak calls/s",
        "calls/s",
        "p99 ms",
        "refusals/s",
        "p50 ms",
        "p99 ms",
    )
    for row in rows:
        figures = _figures(row)
        made.add_row(
            figures["operation"],
            figures["refused_callers"],
            f"{figures['peak_calls_per_s']:,.0f}",
            f"{figures['calls_per_s']:,.0f}",
            f"{figures['p99_ms']:.1f}",
            f"{figures['refused_per_s']:,.0f}",
            f"{figures['refused_p50_ms']:.1f}",
            f"{figures['refused_p99_ms']:.1f}",
        )
    return made


def _checks(row: _Row) -> list[Check]:
    figures = _figures(row)
    share = row.crowded.calls_per_s / row.peak
    p99_ms = figures["refused_p99_ms"]
    what = f"{row.name}, refused callers {row.manner}"
    checks = [
        Check(f"{what}: p99 of refusals", f"{p99_ms:.1f} ms", f"below {_WANTED_P99_MS:g} ms", p99_ms < _WANTED_P99_MS),
        Check(f"{what}: calls/s", f"{share:.0%} of the peak", f"at least {_WANTED_SHARE:.0%}", share >= _WANTED_SHARE),
    ]
    if figures["failed"]:
        checks.append(Check(f"{what}: other failures", str(figures["failed"]), "none", holds=False))
    return checks
