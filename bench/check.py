"""Measures the suite's operations with 64 callers and compares their ratios with the committed ones: bench/ratios.json.

Absolute figures move with the machine; a share of the empty call, measured beside it, does not by much.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import catalogue, ratios, runs
from bench.catalogue import UnknownNameError
from bench.ratios import Compared
from bench.report import Check, Report, table

HELP = "are the ratios still what the committed ones are? (make bench-check)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    runs.arguments(parser, callers=str(ratios.CALLERS), rounds=3)
    parser.add_argument("--kept", type=Path, default=ratios.FILE, metavar="FILE", help="the ratios to compare with")
    parser.add_argument("--all", action="store_true", help="show every ratio, not only those that are worse")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Fails when a ratio is worse than the kept one by more than 15 %, twice. Raises UnknownNameError."""
    catalogue.chosen(catalogue.names(given.ops))
    if not given.kept.exists():
        raise UnknownNameError(f"{given.kept} is not there; make it with: python -m bench suite --keep-ratios")
    kept = ratios.load(given.kept)
    made = await runs.measure(given, console, bare=False)
    pairs = ratios.compared(kept, ratios.of_run(made))
    if doubted := sorted({pair.operation for pair in pairs if pair.fails}):
        # Something else may have run meanwhile. What is really worse is worse the second time too.
        console.print(f"worse, and measured once more: {', '.join(doubted)}")
        given.ops = ",".join(doubted)
        again = await runs.measure(given, console, bare=False)
        pairs = better(pairs, ratios.compared(kept, ratios.of_run(again)))
    return report(pairs, show_all=given.all, run=made.name)


def better(first: Sequence[Compared], again: Sequence[Compared]) -> list[Compared]:
    """The first ones, or the second look at the same where that is better."""
    second = {(pair.operation, pair.what): pair for pair in again}
    return [max(pair, second.get((pair.operation, pair.what), pair), key=lambda one: one.now) for pair in first]


def report(pairs: list[Compared], *, show_all: bool, run: str) -> Report:
    """What is worse, and whether anything is by too much."""
    shown = [pair for pair in pairs if show_all or pair.fails]
    failing = sum(pair.fails for pair in pairs)
    return Report(
        "check",
        {"run": run, "ratios": [vars(pair) for pair in pairs]},
        [_table(shown)] if shown else [],
        [
            Check("ratios compared", f"{len(pairs)}", "at least 1", bool(pairs)),
            Check(f"ratios worse by more than {ratios.WORSE_BY:.0%}", f"{failing}", "0", not failing),
        ],
    )


def _table(pairs: list[Compared]) -> Table:
    made = table("Ratios beside the committed ones", "operation", "ratio", "committed", "now", "change")
    for pair in pairs:
        made.add_row(pair.operation, pair.what, f"{pair.kept:.3f}", f"{pair.now:.3f}", f"{pair.change:+.0%}")
    return made
