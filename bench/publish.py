"""Puts a run of the suite into docs/performance.md, with its files and plots beside it."""

import argparse
from pathlib import Path

from rich.console import Console

from bench import figures, page, plots
from bench.catalogue import UnknownNameError
from bench.figures import BUILD, Run
from bench.report import Report

HELP = "write docs/performance.md from the last run (or another one: --from DIR)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--from", dest="source", type=Path, default=BUILD, metavar="DIR", help="where bench.json is")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Writes everything. Raises UnknownNameError when there is no run."""
    try:
        made = figures.read(given.source)
    except (OSError, ValueError) as error:
        raise UnknownNameError(
            f"{given.source} holds no run of the suite ({error}); make one with: make bench"
        ) from None
    return Report("report", {"run": made.name}, [], [], [f"{page.PAGE} has run {publish(made)} now."])


def publish(made: Run) -> str:
    """Files, plots, page. Returns the run's name."""
    figures.write(made, page.FILES)
    # From the files, so that no figure on the page is finer than theirs.
    kept = figures.read(page.FILES)
    plots.draw(kept, page.FILES)
    page.write(kept)
    return kept.name
