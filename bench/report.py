"""What a program says in the end: tables for people, JSON for programs, and an exit code."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shared import __version__


@dataclass(frozen=True)
class Check:
    """Something that must hold: what was measured and what is wanted, in words, and whether it does."""

    what: str
    measured: str
    wanted: str
    holds: bool


@dataclass(frozen=True)
class Report:
    """`figures`: everything that was measured, for JSON. `tables`: what of it people read."""

    program: str
    figures: dict[str, Any]
    tables: Sequence[Table] = ()
    checks: Sequence[Check] = ()
    notes: Sequence[str] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether all that must hold does."""
        return all(check.holds for check in self.checks)

    def joined(self, other: "Report") -> "Report":
        """This one, and what the other has beside."""
        return Report(
            self.program,
            self.figures | other.figures,
            [*self.tables, *other.tables],
            [*self.checks, *other.checks],
            [*self.notes, *other.notes],
        )

    def show(self, console: Console) -> None:
        """Prints it."""
        for table in self.tables:
            console.print(table)
        if self.checks:
            console.print(_checks(self.checks))
        for note in self.notes:
            console.print(note, highlight=False)

    def write(self, file: Path) -> None:
        """Writes it as a JSON object."""
        content = {
            "program": self.program,
            "version": __version__,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "holds": self.holds,
            "checks": [vars(check) for check in self.checks],
            "figures": self.figures,
        }
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def table(title: str, first: str, *columns: str) -> Table:
    """An empty table: a column of names, and columns of figures."""
    made = Table(title=title, title_justify="left")
    made.add_column(first, no_wrap=True)
    for column in columns:
        made.add_column(column, justify="right", no_wrap=True)
    return made


def _checks(checks: Sequence[Check]) -> Table:
    made = Table(title="What must hold", title_justify="left")
    for column in ("", "what", "measured", "wanted"):
        made.add_column(column)
    for check in checks:
        made.add_row("[green]✓[/]" if check.holds else "[red]✗[/]", check.what, check.measured, check.wanted)
    return made
