"""What a run of the suite found: build/bench.json, a list that other programs read, and build/bench-run.json beside it,
with everything else that is known of the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.settings import CHECKOUT

SERVICE, GATEWAY = "service", "gateway"
VIAS = (SERVICE, GATEWAY)
BENCH, RUN = "bench.json", "bench-run.json"
BUILD = CHECKOUT / "build"


@dataclass(frozen=True)
class Row:
    """One operation, on one way, with so many callers: medians of the run's rounds. CPU in µs a call, of whole process
    trees. `empty_calls_per_s` is of the empty calls measured beside it, straight at the same service with as many
    callers. `ratio_to_peer` is None where the peer has no counterpart. `errors` counts every call that failed, while
    warming up too."""

    operation: str
    via: str
    callers: int
    calls_per_s: float
    items_per_s: float
    p50_ms: float
    p99_ms: float
    service_cpu_us: float
    gateway_cpu_us: float
    store_cpu_us: float
    empty_calls_per_s: float
    share_of_empty: float
    ratio_to_peer: float | None
    errors: int


@dataclass(frozen=True)
class Beside:
    """What else is known of a row: the empty call's latency, the generator's CPU in µs a call, the peer's p99 (scaled)
    and ours as a share of it, the bare store operation with as many callers, and messages of calls that failed."""

    empty_p50_ms: float
    generator_cpu_us: float
    peer_calls_per_s: float | None = None
    peer_p99_ms: float | None = None
    bare: Mapping[str, float] | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run: its name, and where, when, how and of what it was made."""

    name: str
    at: str
    commit: str
    command: str
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    beside: Sequence[Beside]
    bare_notes: Mapping[str, str] = field(default_factory=dict)

    def row(self, operation: str, via: str, callers: int) -> Row | None:
        """The row of these, where it was measured."""
        return next((r for r in self.rows if (r.operation, r.via, r.callers) == (operation, via, callers)), None)

    def of(self, row: Row) -> Beside:
        """What else is known of a row."""
        return self.beside[self.rows.index(row)]

    @property
    def operations(self) -> list[str]:
        """Their names, in the order of the table."""
        return list(dict.fromkeys(row.operation for row in self.rows))

    @property
    def callers(self) -> list[int]:
        """How many callers there were at once, in order."""
        return sorted({row.callers for row in self.rows})


def write(run: Run, directory: Path) -> None:
    """Both files, into a directory that is made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    fields = asdict(run)
    rows = fields.pop("rows")
    _dump(directory / BENCH, rows)
    _dump(directory / RUN, fields)


def read(directory: Path) -> Run:
    """The run that `write` left there. Raises OSError, or ValueError for files that are not of one run."""
    rows = [Row(**row) for row in json.loads((directory / BENCH).read_text())]
    fields = json.loads((directory / RUN).read_text())
    fields["beside"] = [Beside(**beside) for beside in fields["beside"]]
    if len(fields["beside"]) != len(rows):
        raise ValueError(f"{directory / BENCH} and {directory / RUN} are not of one run")
    return Run(rows=rows, **fields)


def _dump(file: Path, content: object) -> None:
    file.write_text(json.dumps(_rounded(content), indent=1, ensure_ascii=False) + "\n")


def _rounded(content: Any) -> Any:
    # No figure is good to more than that, and a file that people look at stays readable.
    if isinstance(content, float):
        return float(f"{content:.5g}")
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return content
