"""What became of the conformance suites, database by database: build/stores.json, and the README's table of it.

`make test-stores` writes the file. `python -m tests.conformance` shows it; with --publish it keeps it in docs/ and puts
the table into the README, which a test compares.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "build" / "stores.json"
PUBLISHED = ROOT / "docs" / "stores.json"
README = ROOT / "README.md"
_BEGIN, _END = "<!-- what was tested: make test-stores -->\n", "<!-- end of what was tested -->\n"


@dataclass
class Cell:
    """A suite on a database. `tested_on` is a date; `skipped` counts by reason."""

    kind: str
    database: str
    server: str
    tested_on: str
    passed: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: str, reason: str) -> None:
        """Counts one test."""
        if outcome == "passed":
            self.passed += 1
        elif outcome == "failed":
            self.failed += 1
        else:
            self.skipped = dict(Counter(self.skipped) + Counter([reason]))

    def result(self) -> str:
        """In words."""
        if not self.passed and not self.failed:
            return f"not run: {'; '.join(self.skipped)}"
        failed = f", **{self.failed} failed**" if self.failed else ""
        skipped = "".join(f"; {count} skipped: {reason}" for reason, count in self.skipped.items())
        return f"{self.passed} passed{failed}{skipped}"


def read(path: Path) -> list[Cell]:
    """The cells of a file; none where there is no file."""
    return [Cell(**cell) for cell in json.loads(path.read_text())] if path.exists() else []


def write(path: Path, cells: Iterable[Cell]) -> None:
    """Replaces a file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")


def merged(before: Iterable[Cell], new: Iterable[Cell]) -> list[Cell]:
    """Those of an earlier run, each replaced where it was tested again; a suite's cells stay together."""
    cells = {(cell.kind, cell.database): cell for cell in (*before, *new)}
    kinds = list(dict.fromkeys(kind for kind, _ in cells))
    return sorted(cells.values(), key=lambda cell: kinds.index(cell.kind))


def table(cells: Iterable[Cell]) -> str:
    """As the README has it."""
    lines = ["| what | database | tested against | on | result |", "|---|---|---|---|---|"]
    lines += [
        f"| {cell.kind} | {cell.database} | {cell.server} | {cell.tested_on} | {cell.result()} |" for cell in cells
    ]
    return "\n".join(lines) + "\n"


def in_readme() -> str:
    """The table that the README has now."""
    return README.read_text().partition(_BEGIN)[2].partition(_END)[0]


def publish(cells: list[Cell]) -> None:
    """Keeps a run, and puts its table into the README."""
    write(PUBLISHED, cells)
    before, _, rest = README.read_text().partition(_BEGIN)
    README.write_text(f"{before}{_BEGIN}{table(cells)}{_END}{rest.partition(_END)[2]}")
