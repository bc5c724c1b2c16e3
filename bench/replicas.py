"""What more processes of each service bring behind the gateway, and how many cores a load takes."""

import argparse
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import operations
from bench.fleet import Fleet, fleet, healthy
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result
from bench.progress import Steps
from bench.report import Check, Report, table
from deploy.local.alone_gateway import AloneGateway, gateway

HELP = "SubmitScore, GetPlayer and AdjustCoins through the gateway with 1 and 2 processes of each service"

_RECKONED_CALLS_PER_S = 10_000
_ONE_CORE = "A process of a service, a worker of the gateway and a Valkey use one core each, at most."
# The least that the idlest process may have of the work of the busiest one.
_EVEN = 0.7


@dataclass(frozen=True)
class Point:
    """Medians of one operation with so many processes of each service. CPU in µs a call, of all of a part's processes.

    `evenness`: the CPU of the process that had the least to do, as a share of that of the busiest one.
    """

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    service_us: float
    gateway_us: float
    store_us: float
    generator_us: float
    evenness: float
    failed: int


Curve = Mapping[tuple[str, int], Point]  # by operation, number of processes


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2], help="numbers of processes of each service")
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")
    parser.add_argument("--seconds", type=float, default=5, help="measured time of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, whose medians count")
    parser.add_argument("--callers", type=int, default=64, help="callers at once")
    parser.add_argument("--connections", type=int, default=4, help="connections that they share")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """All numbers in turns, on the same stores: a gateway for each, before the first so many processes."""
    results: defaultdict[tuple[str, int], list[Result]] = defaultdict(list)
    async with fleet(max(given.replicas), {"RPC_HOST": given.host}) as made:
        seed = await made.sow()
        chosen = [operations.submit_score(seed), operations.get_player(seed), operations.adjust_coins(seed)]
        async with _gateways(made, given.replicas) as gateways:
            with Steps(console, given.rounds * len(chosen) * len(gateways)) as steps:
                for number in range(given.rounds):
                    for operation in chosen:
                        for replicas in given.replicas[:: -1 if number % 2 else 1]:
                            steps.next(f"{operation.name}, {replicas} of each service")
                            plan = _plan(made, gateways[replicas], operation, replicas, given)
                            results[operation.name, replicas].append(await generate(plan))
    curve = {key: _point(runs, *key) for key, runs in results.items()}
    figures = {
        "host": given.host,
        "curve": [{"operation": name, "replicas": count} | asdict(point) for (name, count), point in curve.items()],
    }
    tables = [_curve_table(curve, given), _reckoning(curve, max(given.replicas))]
    return Report("replicas", figures, tables, _checks(curve), [_ONE_CORE])


@asynccontextmanager
async def _gateways(made: Fleet, numbers: Sequence[int]) -> AsyncIterator[dict[int, AloneGateway]]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="savepoint-bench-")))
        gateways = {}
        for replicas in numbers:
            addresses = made.addresses(replicas)
            gateways[replicas] = await stack.enter_async_context(gateway(directory / str(replicas), addresses))
            await healthy(gateways[replicas].metrics_port, addresses)
        yield gateways


def _plan(made: Fleet, before: AloneGateway, operation: Operation, replicas: int, given: argparse.Namespace) -> Plan:
    services = made.replicas[operation.method.split(".")[1]][:replicas]
    return Plan(
        target=before.address,
        operations=[operation],
        callers=given.callers,
        connections=given.connections,
        seconds=given.seconds,
        charge={_service(n): each.pid for n, each in enumerate(services)}
        | {"gateway": before.pid}
        | {_store(name): pid for name, pid in made.store_pids.items()},
    )


def _service(number: int) -> str:
    return f"service {number}"


def _store(name: str) -> str:
    return f"store {name}"


def _point(results: Sequence[Result], operation: str, replicas: int) -> Point:
    right = [result.operations[operation].right for result in results]
    of_each = [[result.charged_us(_service(n)) for n in range(replicas)] for result in results]
    of_stores = [
        sum(result.charged_us(name) for name in result.charged_s if name.startswith(_store(""))) for result in results
    ]
    return Point(
        calls_per_s=statistics.median(result.calls_per_s for result in results),
        p50_ms=statistics.median(times.p50_ms for times in right),
        p99_ms=statistics.median(times.p99_ms for times in right),
        service_us=statistics.median(map(sum, of_each)),
        gateway_us=statistics.median(result.charged_us("gateway") for result in results),
        store_us=statistics.median(of_stores),
        generator_us=statistics.median(result.cpu_us for result in results),
        evenness=statistics.median(min(each) / max(each) for each in of_each),
        failed=sum(sum(result.failed.values()) for result in results),
    )


def _curve_table(curve: Curve, given: argparse.Namespace) -> Table:
    title = f"{given.callers} callers over {given.connections} connections to the gateway; CPU in µs a call"
    columns = ("of each", "calls/s", "p50 ms", "p99 ms", "service", "gateway", "stores", "generator", "evenness")
    made = table(title, "operation", *columns)
    for (operation, replicas), point in curve.items():
        cpu = (point.service_us, point.gateway_us, point.store_us, point.generator_us)
        made.add_row(
            operation,
            str(replicas),
            f"{point.calls_per_s:,.0f}",
            f"{point.p50_ms:.2f}",
            f"{point.p99_ms:.2f}",
            *(f"{us:.0f}" for us in cpu),
            f"{point.evenness:.0%}",
        )
    return made


def _reckoning(curve: Curve, replicas: int) -> Table:
    """Cores are CPU a call times calls. The CPU is that of the most processes measured: their batches are smaller."""
    title = f"Reckoned from the CPU with {replicas} of each: cores for {_RECKONED_CALLS_PER_S:,} calls/s"
    made = table(title, "operation", "service", "gateway", "stores", "all", "calls/s that fill one process")
    for (operation, count), point in curve.items():
        if count == replicas:
            cores = [us * _RECKONED_CALLS_PER_S / 1e6 for us in (point.service_us, point.gateway_us, point.store_us)]
            most = 1e6 / point.service_us
            made.add_row(operation, *(f"{each:.1f}" for each in (*cores, sum(cores))), f"{most:,.0f}")
    return made


def _checks(curve: Curve) -> list[Check]:
    checks = []
    for (operation, replicas), point in curve.items():
        what = f"{operation}, {replicas} of each"
        checks.append(Check(f"{what}: calls that failed", f"{point.failed}", "0", not point.failed))
        if replicas > 1:
            even = point.evenness >= _EVEN
            checks.append(Check(f"{what}: evenness", f"{point.evenness:.0%}", f"at least {_EVEN:.0%}", even))
    return checks
