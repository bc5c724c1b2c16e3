"""Load in which a third of the calls are cancelled midway and clients are killed, for as long as you like."""

import argparse
import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from bench import operations
from bench.fleet import Fleet, fleet
from bench.generator import outcome
from bench.generator.plan import Operation, Plan
from bench.generator.process import Generator
from bench.generator.result import Result
from bench.processes import Memory, memory_of
from bench.progress import Steps
from bench.report import Check, Report, table
from deploy.local.alone import Service

HELP = "a third of the calls cancelled in bursts, clients killed: memory, handlers, answers, other clients' calls"

_SETTLED_S = 180.0
_SETTLED_SHARE = 0.15  # of a run too short for that
_MORE_MEMORY = 1.05
_CANCELLED_SHARE = 0.3
_HANDLERS = re.compile(r"^rpc_server_handlers_running(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_HANDLERS_GONE_S = 5.0
_MIB = 1 << 20
# Callers and the share that they cancel: a third of all. Envoy takes a connection on which half of the calls are reset
# for an attack, and hangs up.
_KINDS = (("well-behaved", 4, 0.0), ("cancelling", 20, 0.4))


@dataclass(frozen=True)
class Target:
    """Where clients call, and what."""

    name: str
    address: str
    operations: Sequence[Operation]

    def plan(self, callers: int, seconds: float, cancel_share: float = 0.0) -> Plan:
        """Some callers over two connections."""
        return Plan(
            self.address,
            self.operations,
            callers=callers,
            connections=2,
            seconds=seconds,
            warm_s=0,
            cancel_share=cancel_share,
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")
    parser.add_argument("--minutes", type=float, default=20, help="how long")
    parser.add_argument("--kill-every", type=float, default=3, metavar="S", help="seconds between two killed clients")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Well-behaved clients beside others that cancel and others that are killed, at the gateway and at each service."""
    seconds = given.minutes * 60
    settled_s = min(_SETTLED_S, _SETTLED_SHARE * seconds)
    async with fleet(1, {"RPC_HOST": given.host}) as made:
        targets = _targets(made, operations.everything(await made.sow()))
        services = {name: replicas[0] for name, replicas in made.replicas.items()}
        pids = {name: service.pid for name, service in services.items()}
        samples: list[tuple[float, dict[str, Memory]]] = []
        killed: list[str] = []
        clients = {
            f"{target.name}, {kind}": await Generator.start(target.plan(callers, seconds, share))
            for target in targets
            for kind, callers, share in _KINDS
        }
        loads = {name: asyncio.create_task(client.result()) for name, client in clients.items()}
        killing = asyncio.create_task(_kill_clients(targets, seconds, given.kill_every, killed))
        try:
            await _watch(pids, samples, seconds, loads, console)
            results = dict(zip(loads, await asyncio.gather(*loads.values()), strict=True))
        finally:
            for task in (killing, *loads.values()):
                task.cancel()
            await asyncio.gather(killing, *loads.values(), return_exceptions=True)
        handlers = {name: await _handlers(service) for name, service in services.items()}
        alive = {name: service.pid == pids[name] and await service.serving() for name, service in services.items()}
        samples.append((seconds, memory_of(pids)))
    settled = next(memory for at, memory in samples if at >= settled_s)
    return _report(given, results, settled, samples, handlers, alive, killed)


def _targets(made: Fleet, chosen: Sequence[Operation]) -> list[Target]:
    straight = [
        Target(name, replicas[0].address, operations.of_service(chosen, name))
        for name, replicas in made.replicas.items()
    ]
    return [Target("gateway", made.gateway, chosen), *straight]


async def _kill_clients(targets: Sequence[Target], seconds: float, every_s: float, killed: list[str]) -> None:
    """Starts a client, kills it in the middle of its calls, notes where it called, starts the next; until cancelled."""
    while True:
        target = random.choice(targets)
        client = await Generator.start(target.plan(8, seconds))
        try:
            await asyncio.sleep(random.uniform(0.5, 1.5) * every_s)
        finally:
            await client.kill()
        killed.append(target.name)


async def _watch(
    pids: Mapping[str, int],
    samples: list[tuple[float, dict[str, Memory]]],
    seconds: float,
    loads: Mapping[str, asyncio.Task[Result]],
    console: Console,
) -> None:
    """A sample of the services' memory every second, until the time is over or a client has failed."""
    began = time.monotonic()
    with Steps(console, round(seconds)) as steps:
        while (passed := time.monotonic() - began) < seconds:
            samples.append((passed, memory_of(pids)))
            steps.next(", ".join(f"{name} {memory.rss >> 20} MiB" for name, memory in samples[-1][1].items()))
            if any(load.done() for load in loads.values()):
                return
            await asyncio.sleep(1)


async def _handlers(service: Service) -> float | None:
    """How many handlers run when the last client has been gone for a moment; None where no gauge says so."""
    until = time.monotonic() + _HANDLERS_GONE_S
    while True:
        shown = [float(value) for value in _HANDLERS.findall(await service.scrape())]
        if not shown:
            return None
        if not sum(shown) or time.monotonic() > until:
            return sum(shown)
        await asyncio.sleep(0.1)


def _report(
    given: argparse.Namespace,
    results: Mapping[str, Result],
    settled: Mapping[str, Memory],
    samples: Sequence[tuple[float, Mapping[str, Memory]]],
    handlers: Mapping[str, float | None],
    alive: Mapping[str, bool],
    killed: Sequence[str],
) -> Report:
    clients = table("Clients", "client", "right answers", "a second", "cancelled", "wrong answers", "failed")
    for name, result in results.items():
        wrong = result.failed.get(outcome.WRONG_ANSWER, 0)
        failed = sum(result.failed.values()) - wrong
        counts = (f"{result.answered:,}", f"{result.calls_per_s:,.0f}", f"{result.cancelled:,}", f"{wrong:,}")
        clients.add_row(name, *counts, f"{failed:,}")
    last = samples[-1][1]
    memory = table("Memory, MiB", "service", "RSS settled", "RSS at the end", "USS settled", "USS at the end")
    for name, at_first in settled.items():
        figures = (at_first.rss, last[name].rss, at_first.uss, last[name].uss)
        memory.add_row(name, *(f"{value / _MIB:.1f}" for value in figures))
    return Report(
        "soak",
        {
            "host": given.host,
            "minutes": given.minutes,
            "clients": {name: asdict(result) for name, result in results.items()},
            "memory": [{"at_s": at} | {name: asdict(each) for name, each in now.items()} for at, now in samples],
            "handlers": dict(handlers),
            "clients_killed": list(killed),
        },
        [clients, memory],
        [
            *_checks_of_clients(results),
            *_checks_of_memory(settled, last),
            *_checks_of_services(handlers, alive),
        ],
        [f"{len(killed)} clients were killed in the middle of their calls."],
    )


def _checks_of_clients(results: Mapping[str, Result]) -> list[Check]:
    cancelled = sum(result.cancelled for result in results.values())
    calls = cancelled + sum(result.answered for result in results.values())
    kinds: Counter[str] = Counter()
    for result in results.values():
        kinds.update(result.failed)
    wrong = kinds.pop(outcome.WRONG_ANSWER, 0)
    share = cancelled / max(1, calls)
    return [
        Check("calls cancelled", f"{share:.0%} of {calls:,}", "about a third", share >= _CANCELLED_SHARE),
        Check("answers that were not the caller's own", f"{wrong}", "0", wrong == 0),
        Check("calls that failed", f"{kinds.total()} {dict(kinds) or ''}", "0", not kinds),
    ]


def _checks_of_memory(settled: Mapping[str, Memory], last: Mapping[str, Memory]) -> list[Check]:
    checks = []
    for name, before in settled.items():
        for kind in ("rss", "uss"):
            times = getattr(last[name], kind) / getattr(before, kind)
            holds = times <= _MORE_MEMORY
            checks.append(Check(f"{name}: {kind.upper()}", f"{times:.1%}", f"at most {_MORE_MEMORY:.0%}", holds))
    return checks


def _checks_of_services(handlers: Mapping[str, float | None], alive: Mapping[str, bool]) -> list[Check]:
    checks = []
    for name, running in handlers.items():
        shown = "no gauge shows it" if running is None else f"{running:g}"
        checks.append(Check(f"{name}: handlers that still run", shown, "0", running == 0))
        checks.append(Check(f"{name}: the same process, SERVING", "yes" if alive[name] else "no", "yes", alive[name]))
    return checks
