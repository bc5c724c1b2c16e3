"""What is measured and logged of every query, whichever store it goes to."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

_log = logging.getLogger("savepoint.query")


@dataclass(slots=True)
class Measured:
    """Filled in by whoever runs the query."""

    rows_affected: int = 0


class StoreTelemetry:
    """One store's view: metrics db_query_duration_seconds and db_errors_total, a log line (at DEBUG, or at WARNING
    for a slow query) with query, query_type, table, duration_ms and rows_affected, and a span."""

    def __init__(self, store: str, metrics: Metrics, traces: Traces, slow_query_ms: int) -> None:
        self._store = store
        self.metrics = metrics
        self._traces = traces
        self._slow_s = slow_query_ms / 1000

    @contextmanager
    def query(self, name: str, query_type: str, table: str) -> Iterator[Measured]:
        """Measures what runs inside."""
        measured = Measured()
        begun = time.perf_counter()
        try:
            with self._traces.query(name, query_type, table):
                yield measured
        finally:
            took = time.perf_counter() - begun
            self.metrics.query(self._store, query_type, table, took)
            level = logging.WARNING if took >= self._slow_s else logging.DEBUG
            if _log.isEnabledFor(level):
                fields = {
                    "query": name,
                    "query_type": query_type,
                    "table": table,
                    "duration_ms": round(took * 1000, 3),
                    "rows_affected": measured.rows_affected,
                }
                _log.log(level, "slow query" if level == logging.WARNING else "query", extra=fields)

    def error(self, kind: str) -> None:
        """Counts a failure."""
        self.metrics.error(self._store, kind)
