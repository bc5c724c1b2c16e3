"""Makes a run of the suite: a world, every cell of what was asked for, in turns, and its medians."""

import argparse
import os
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from bench import catalogue, machine, peer
from bench.bare.figures import Bare
from bench.catalogue import Case
from bench.figures import VIAS, Run
from bench.generator.result import Result
from bench.measuring import CONNECTIONS, Measure, Measuring, row
from bench.progress import Steps
from bench.world import STEPS, Sizes, world


class Turns:
    """Measures operations one after the other, with empty calls between them."""

    def __init__(self, measuring: Measuring, steps: Steps) -> None:
        self.measures: defaultdict[tuple[str, int, str], list[Measure]] = defaultdict(list)
        self.bares: dict[tuple[str, int], Bare | None] = {}
        self._measuring = measuring
        self._steps = steps

    async def round(self, chosen: Sequence[Case], crowds: Sequence[int], vias: Sequence[str], *, bare: bool) -> None:
        """Every operation once with each number of callers on each way; a service's operations after each other."""
        for service in dict.fromkeys(case.service for case in chosen):
            for callers in crowds:
                before = await self._measuring.empty(service, callers)
                for case in chosen:
                    if case.service == service:
                        before = await self._case(case, callers, vias, before)
                        if bare:
                            self._steps.next(f"{case.name}, {callers} callers, its store alone")
                            self.bares[case.name, callers] = await self._measuring.bare(case, callers)

    async def _case(self, case: Case, callers: int, vias: Sequence[str], before: Result) -> Result:
        for via in vias:
            self._steps.next(f"{case.name}, {callers} callers, {via}")
            result = await self._measuring.once(case, via, callers)
            after = await self._measuring.empty(case.service, callers)
            self.measures[case.name, callers, via].append(Measure(result, (before, after)))
            before = after
        return before


def arguments(parser: argparse.ArgumentParser, *, callers: str, rounds: int) -> None:
    """The options of what is measured, and how long."""
    parser.add_argument("--ops", default="", metavar="NAMES", help="operations, with commas between; all when empty")
    parser.add_argument("--callers", default=callers, metavar="NUMBERS", help="how many callers at once, with commas")
    parser.add_argument("--via", default=",".join(VIAS), metavar="WAYS", help="service, gateway, or both with a comma")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured time of each operation")
    parser.add_argument("--rounds", type=int, default=rounds, help="runs of each, whose medians count")
    parser.add_argument("--players", type=int, default=Sizes.players, help="how many players there are")
    parser.add_argument("--entries", type=int, default=Sizes.entries, help="how many entries the board has")
    parser.add_argument("--host", default="httpunk", help="value of RPC_HOST")


async def measure(given: argparse.Namespace, console: Console, *, bare: bool) -> Run:
    """A whole run, on a stack of its own. Raises UnknownNameError before anything is started; PartFailedError,
    GeneratorFailedError, PgbenchFailedError."""
    chosen, vias = catalogue.chosen(catalogue.names(given.ops)), catalogue.names(given.via)
    catalogue.check(vias, VIAS, "way")
    crowds = catalogue.numbers(given.callers)
    began, commit = time.time(), machine.commit()
    os.environ["RPC_HOST"] = given.host  # the stack passes it on to the services
    steps_of_all = len(chosen) * len(crowds) * (given.rounds * len(vias) + bare)
    with Steps(console, STEPS + steps_of_all) as steps:
        async with world(Sizes(given.players, given.entries), steps) as made:
            turns = Turns(Measuring(made, given.seconds), steps)
            for number in range(given.rounds):
                # A B, then B A: what warms up or wears out in between is no way's gain.
                await turns.round(chosen, crowds, vias[:: -1 if number % 2 else 1], bare=bare and number == 0)
    known = peer.load()
    pairs = [
        row(case, via, callers, turns.measures[case.name, callers, via], turns.bares.get((case.name, callers)), known)
        for via in vias
        for case in chosen
        for callers in crowds
    ]
    return Run(
        name=machine.run_name(began, commit),
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        commit=commit,
        command=f"python -m bench {shlex.join(sys.argv[1:])}",
        machine=machine.describe(),
        settings=_settings(given),
        rows=[measured for measured, _ in pairs],
        beside=[beside for _, beside in pairs],
    )


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    kept = ("seconds", "rounds", "players", "entries", "host")
    return {name: getattr(given, name) for name in kept} | {"connections": CONNECTIONS, "items": Sizes.items}
