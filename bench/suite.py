"""Every operation, straight at its service and through the gateway, beside the empty call, its bare store operation,
and the peer: tables, plots, and JSON for other programs."""

import argparse
from pathlib import Path

from rich.console import Console

from bench import figures, musts, plots, ratios, runs, tables
from bench.figures import BUILD
from bench.report import Report

HELP = "every operation beside the empty call, its bare store operation and the peer (make bench)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    runs.arguments(parser, callers="1,16,64", rounds=1)
    parser.add_argument("--no-bare", action="store_true", help="leave the bare store operations out")
    parser.add_argument("--keep-ratios", action="store_true", help="write bench/ratios.json anew, for bench-check")
    parser.add_argument("--out", type=Path, default=BUILD, metavar="DIR", help="where bench.json and the plots go")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Measures, writes the files, and says what holds. Raises UnknownNameError for a wrong name."""
    made = await runs.measure(given, console, bare=not given.no_bare)
    figures.write(made, given.out)
    if given.keep_ratios:
        ratios.keep(made)
    drawn = plots.draw(made, given.out)
    notes = [f"Run {made.name}: {given.out / figures.BENCH} and {figures.RUN}; {', '.join(p.name for p in drawn)}"]
    return Report("suite", {"run": made.name}, tables.of_run(made), musts.checks(made), notes)
