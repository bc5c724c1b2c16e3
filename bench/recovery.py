"""Callers who give up in numbers, and what is left of a service two seconds after they have gone."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import psutil
from rich.console import Console
from rich.table import Table

from bench import operations
from bench.bed import Services, bed
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table
from bench.seed import sow
from deploy.local.probes import grpc_serving

_BACK_WITHIN_S = 2.0
_WANTED_SHARE = 0.9
_CALM_S = 6.0
_CALLERS = 64
_DEADLINE_S = 0.4


@dataclass(frozen=True)
class Recovered:
    """Calls a second before, and from two seconds after on; `serving_after_s` is -1 when it was not in time."""

    operation: str
    abuse: str
    before_per_s: float
    after_per_s: float
    serving_after_s: float
    connections_before: int
    connections_after: int
    abuse_ended: Mapping[str, int]
    failed_afterwards: Mapping[str, int]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this part."""
    parser.add_argument("--deadline-seconds", type=float, default=30, help="how long 400 ms deadlines are hammered")
    parser.add_argument("--cancel-seconds", type=float, default=300, help="how long a third of the calls is cancelled")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Each abuse of each operation, one after the other, on the same service."""
    rows = []
    async with bed() as made:
        services = await made.start("recovery", {"RPC_HOST": given.host})
        seed = await sow(services.profile.address, services.leaderboard.address)
        chosen = [operations.adjust_coins(seed), operations.get_player(seed)]
        with Steps(console, 2 * len(chosen)) as steps:
            for operation in chosen:
                plan = partial(Plan, services.of(operation.method).address, [operation])
                deadlines = plan(callers=given.callers, seconds=given.deadline_seconds, deadline_s=_DEADLINE_S)
                cancels = plan(callers=_CALLERS, seconds=given.cancel_seconds, cancel_share=1 / 3)
                for abuse, what in ((deadlines, "400 ms deadlines"), (cancels, "a third cancelled")):
                    steps.next(f"{operation.name}, {what}")
                    rows.append(await _recovered(services, operation, abuse, what))
    return Report("recovery", {"recovery": [asdict(row) for row in rows]}, [_table(rows)], _checks(rows))


async def _recovered(services: Services, operation: Operation, abuse: Plan, what: str) -> Recovered:
    service = services.of(operation.method)
    calm = Plan(service.address, [operation], callers=_CALLERS, seconds=_CALM_S)
    before = await generate(calm)
    connections = _connections(service.pid)
    abused = await generate(abuse)
    ended = time.time()
    serving, after = await asyncio.gather(
        _first(lambda: grpc_serving(service.address), _BACK_WITHIN_S),
        generate(Plan(service.address, [operation], callers=_CALLERS, seconds=_CALM_S + _BACK_WITHIN_S, warm_s=0)),
    )
    return Recovered(
        operation=operation.name,
        abuse=what,
        before_per_s=before.calls_per_s,
        after_per_s=_rate_from(after, ended + _BACK_WITHIN_S),
        serving_after_s=serving,
        connections_before=connections,
        connections_after=_connections(service.pid),
        abuse_ended=abused.ended[operation.name],
        failed_afterwards=after.failed,
    )


def _rate_from(result: Result, at: float) -> float:
    """Right answers a second from this time on, in whole slices; the last one may be a part of one."""
    first = max(0, -int(-(at - result.began_at) // result.slice_s))
    slices = result.right_by_slice[first:-1]
    return sum(slices) / (len(slices) * result.slice_s) if slices else 0.0


async def _first(holds: Callable[[], Awaitable[bool]], within_s: float) -> float:
    """How long it took until it held, or -1."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) <= within_s:
        if await holds():
            return passed
        await asyncio.sleep(0.05)
    return -1.0


def _connections(pid: int) -> int:
    """Unix sockets of a process: its stores' connections, and a few that do not change."""
    return len(psutil.Process(pid).net_connections("unix"))


def _table(rows: list[Recovered]) -> Table:
    made = table(
        "Two seconds after",
        "operation",
        "abuse",
        "calls/s before",
        "after",
        "SERVING after s",
        "sockets before",
        "after",
    )
    for row in rows:
        made.add_row(
            row.operation,
            row.abuse,
            f"{row.before_per_s:,.0f}",
            f"{row.after_per_s:,.0f}",
            f"{row.serving_after_s:.2f}",
            str(row.connections_before),
            str(row.connections_after),
        )
    return made


def _checks(rows: list[Recovered]) -> list[Check]:
    checks = []
    for row in rows:
        what = f"{row.operation} after {row.abuse}"
        share = row.after_per_s / row.before_per_s
        checks += [
            Check(
                f"{what}: SERVING",
                f"after {row.serving_after_s:.2f} s",
                f"within {_BACK_WITHIN_S:g} s",
                row.serving_after_s >= 0,
            ),
            Check(
                f"{what}: calls/s", f"{share:.0%} of before", f"at least {_WANTED_SHARE:.0%}", share >= _WANTED_SHARE
            ),
            Check(f"{what}: failed calls", str(sum(row.failed_afterwards.values())), "0", not row.failed_afterwards),
        ]
        if row.operation == operations.WRITES_SQL:
            # 64 callers have just kept every connection of the pool busy, as they did before.
            whole = row.connections_after >= row.connections_before
            measured = f"{row.connections_after} sockets to the stores"
            checks.append(Check(f"{what}: the pool", measured, f"{row.connections_before} as before", whole))
    return checks
