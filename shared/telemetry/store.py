"""What is measured and logged of every query, whichever store it goes to."""

import logging
import time
from contextlib import AbstractContextManager
from types import TracebackType

from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

_log = logging.getLogger("savepoint.query")


class StoreTelemetry:
    """What one store reports of each query: metrics db_query_duration_seconds and db_errors_total, a log line (at
    DEBUG, or at WARNING for a slow query) with query, query_type, table, duration_ms and rows_affected, and a span."""

    def __init__(self, store: str, metrics: Metrics, traces: Traces, slow_query_ms: int) -> None:
        self.store = store
        self.metrics = metrics
        self.slow_s = slow_query_ms / 1000
        self._traces = traces

    def query(self, name: str, query_type: str, table: str) -> "Measured":
        """Measures what runs inside this context."""
        span = self._traces.query(name, query_type, table) if self._traces.enabled else None
        return Measured(self, name, query_type, table, span)

    def error(self, kind: str) -> None:
        """Counts a failure."""
        self.metrics.error(self.store, kind)


class Measured:
    """One query. Whoever runs it fills in `rows_affected`.

    A class, not a generator: this is entered for every query, and a generator costs three times as much.
    """

    __slots__ = ("_begun", "_name", "_query_type", "_span", "_table", "_telemetry", "rows_affected")

    def __init__(
        self,
        telemetry: StoreTelemetry,
        name: str,
        query_type: str,
        table: str,
        span: AbstractContextManager[None] | None,
    ) -> None:
        self.rows_affected = 0
        self._telemetry = telemetry
        self._name = name
        self._query_type = query_type
        self._table = table
        self._span = span
        self._begun = 0.0

    def __enter__(self) -> "Measured":
        self._begun = time.perf_counter()
        if self._span:
            self._span.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._span:
            self._span.__exit__(kind, error, traceback)
        took = time.perf_counter() - self._begun
        self._telemetry.metrics.query(self._telemetry.store, self._query_type, self._table, took)
        slow = took >= self._telemetry.slow_s
        level = logging.WARNING if slow else logging.DEBUG
        if _log.isEnabledFor(level):
            fields = {
                "query": self._name,
                "query_type": self._query_type,
                "table": self._table,
                "duration_ms": round(took * 1000, 3),
                "rows_affected": self.rows_affected,
            }
            _log.log(level, "slow query" if slow else "query", extra=fields)
