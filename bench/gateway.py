"""What the hop through the gateway leaves of the calls a second, and where the CPU goes."""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bench import operations
from bench.fleet import Fleet, fleet
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table

HELP = "SubmitScore and GetPlayer straight at the service and through the gateway, and Envoy's CPU a call"

STRAIGHT, THROUGH = "straight", "through the gateway"
_WANTED_SHARE = 0.55


@dataclass(frozen=True)
class Way:
    """Medians of one operation on one way. CPU in µs a call; `envoy_us` is 0 straight."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    envoy_us: float
    service_us: float
    generator_us: float
    failed: int


Ways = Mapping[tuple[str, str], Way]  # by operation, way


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")
    parser.add_argument("--seconds", type=float, default=5, help="measured time of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, whose medians count")
    parser.add_argument("--callers", type=int, default=64, help="callers at once")
    parser.add_argument("--connections", type=int, default=4, help="connections that they share")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Both ways in turns, to the same processes."""
    results: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    async with fleet(1, {"RPC_HOST": given.host}) as made:
        seed = await made.sow()
        chosen = [operations.submit_score(seed), operations.get_player(seed)]
        with Steps(console, given.rounds * len(chosen) * 2) as steps:
            for number in range(given.rounds):
                for operation in chosen:
                    for way in (STRAIGHT, THROUGH)[:: -1 if number % 2 else 1]:
                        steps.next(f"{operation.name}, {way}")
                        results[operation.name, way].append(await generate(_plan(made, operation, way, given)))
    ways = {key: _way(runs, key[0]) for key, runs in results.items()}
    figures = {
        "host": given.host,
        "ways": [{"operation": operation, "way": way} | asdict(cell) for (operation, way), cell in ways.items()],
    }
    return Report("gateway", figures, [_table(ways, given)], _checks(ways))


def _plan(made: Fleet, operation: Operation, way: str, given: argparse.Namespace) -> Plan:
    service = made.services.of(operation.method)
    return Plan(
        target=service.address if way == STRAIGHT else made.gateway,
        operations=[operation],
        callers=given.callers,
        connections=given.connections,
        seconds=given.seconds,
        charge={"service": service.pid, "envoy": made.gateway_pid},
    )


def _way(results: Sequence[Result], operation: str) -> Way:
    right = [result.operations[operation].right for result in results]
    return Way(
        calls_per_s=statistics.median(result.calls_per_s for result in results),
        p50_ms=statistics.median(times.p50_ms for times in right),
        p99_ms=statistics.median(times.p99_ms for times in right),
        envoy_us=statistics.median(result.charged_us("envoy") for result in results),
        service_us=statistics.median(result.charged_us("service") for result in results),
        generator_us=statistics.median(result.cpu_us for result in results),
        failed=sum(sum(result.failed.values()) for result in results),
    )


def _table(ways: Ways, given: argparse.Namespace) -> Table:
    title = f"{given.callers} callers over {given.connections} connections; CPU in µs a call"
    made = table(title, "operation", "way", "calls/s", "p50 ms", "p99 ms", "Envoy's CPU", "service's", "generator's")
    for (operation, name), way in ways.items():
        made.add_row(
            operation,
            name,
            f"{way.calls_per_s:,.0f}",
            f"{way.p50_ms:.2f}",
            f"{way.p99_ms:.2f}",
            f"{way.envoy_us:.0f}",
            f"{way.service_us:.0f}",
            f"{way.generator_us:.0f}",
        )
    return made


def _checks(ways: Ways) -> list[Check]:
    checks = []
    for operation in dict.fromkeys(operation for operation, _ in ways):
        straight, through = ways[operation, STRAIGHT], ways[operation, THROUGH]
        share = through.calls_per_s / straight.calls_per_s
        failed = straight.failed + through.failed
        wanted = f"at least {_WANTED_SHARE:.0%}"
        checks += [
            Check(f"{operation} through the gateway", f"{share:.0%} of straight", wanted, share >= _WANTED_SHARE),
            Check(f"{operation}: calls that failed", f"{failed}", "0", not failed),
        ]
    return checks
