"""Measures the suite's operations with 64 callers and compares their ratios with the committed ones: bench/ratios.json.

Absolute figures move with the machine; a share of the empty call, measured beside it, does not by much.
"""

import argparse
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
    """Fails when a ratio is worse than the kept one by more than 15 %. Raises UnknownNameError."""
    catalogue.chosen(catalogue.names(given.ops))
    if not given.kept.exists():
        raise UnknownNameError(f"{given.kept} is not there; make it with: python -m bench suite --keep-ratios")
    made = await runs.measure(given, console, bare=False)
    return report(ratios.compared(ratios.load(given.kept), ratios.of_run(made)), show_all=given.all, run=made.name)


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
