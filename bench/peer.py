"""The peer that a user would pick instead: its figures of one machine, scaled to the machine that measures now.

Machines differ by a factor of two. The empty call is bound by the processor, as every figure here is, so the ratio of
the two machines' empty calls says what the peer would do here: its calls/s times the ratio, its p99 divided by it. That
is an estimate, and each column that shows it is marked as scaled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "peer.json"
CALLERS = 64  # its figures are of so many; they say nothing of fewer


@dataclass(frozen=True)
class PeerFigures:
    """One operation of the peer."""

    peer: str
    calls_per_s: float
    p99_ms: float
    server_cpu_us: float
    store_cpu_us: float


@dataclass(frozen=True)
class Peer:
    """The reference table, and how fast the empty call was where it was measured."""

    name: str
    measured: str
    how: str
    empty_calls_per_s: float
    empty_call: str
    operations: Mapping[str, PeerFigures]
    not_compared: str

    def scaled(self, operation: str, callers: int, empty_calls_per_s: float) -> PeerFigures | None:
        """What it would do on a machine with so many empty calls a second; None where there is no counterpart."""
        reference = self.operations.get(operation)
        if reference is None or callers != CALLERS or not empty_calls_per_s:
            return None
        ratio = empty_calls_per_s / self.empty_calls_per_s
        return PeerFigures(
            reference.peer,
            reference.calls_per_s * ratio,
            reference.p99_ms / ratio,
            reference.server_cpu_us / ratio,
            reference.store_cpu_us / ratio,
        )


def load(file: Path = FILE) -> Peer:
    """The committed table."""
    fields: dict[str, Any] = json.loads(file.read_text())
    fields["operations"] = {name: PeerFigures(**figures) for name, figures in fields["operations"].items()}
    return Peer(**fields)
