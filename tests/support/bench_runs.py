"""Runs of the suite that nobody made: rows with the figures that a test wants."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import SERVICE, Beside, Row, Run

MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "memory_gib": 16,
    "system": "Linux 6",
    "python": "3.11",
    "postgresql": "18.0",
    "valkey": "9.0.0",
    "envoy": "1.40.0",
    "savepoint": "0.3.0",
}
SETTINGS = {
    "seconds": 2.0,
    "rounds": 3,
    "players": 100,
    "entries": 100,
    "host": "httpunk",
    "connections": 4,
    "items": 20,
}


def row(operation: str = "SubmitScore", via: str = SERVICE, callers: int = 64, **figures: Any) -> Row:
    """A row in which all that must hold does, but for what is given."""
    fields: dict[str, Any] = {
        "calls_per_s": 20_000.0,
        "items_per_s": 200_000.0,
        "p50_ms": 3.0,
        "p99_ms": 9.0,
        "service_cpu_us": 40.0,
        "gateway_cpu_us": 0.0,
        "store_cpu_us": 20.0,
        "empty_calls_per_s": 40_000.0,
        "share_of_empty": 0.5,
        "ratio_to_peer": None,
        "errors": 0,
    }
    return Row(operation, via, callers, **(fields | figures))


def run(rows: Sequence[Row], beside: Mapping[int, Beside] | None = None) -> Run:
    """A run of these rows; `beside` is what else is known of some, by their numbers."""
    known = beside or {}
    return Run(
        name="20260101T000000Z-abc",
        at="2026-01-01T00:00:00Z",
        commit="abc",
        command="python -m bench suite",
        machine=MACHINE,
        settings=SETTINGS,
        rows=rows,
        beside=[known.get(number, Beside(1.0, 8.0)) for number in range(len(rows))],
    )
