"""What is measured and logged of every query, whichever store it goes to."""

import logging
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from shared.telemetry.metrics import Metrics
from shared.telemetry.tally import Durations
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
        self._kinds: dict[tuple[str, str, str], QueryKind] = {}

    def query(self, name: str, query_type: str, table: str) -> "Measured":
        """Measures what runs inside this context."""
        kind = self._kinds.get((name, query_type, table))
        if kind is None:
            durations = self.metrics.queries(self.store, query_type, table)
            kind = self._kinds[name, query_type, table] = QueryKind(name, query_type, table, self.slow_s, durations)
        span = self._traces.query(name, query_type, table) if self._traces.enabled else None
        return Measured(kind, span)

    def of(self, store: str) -> "StoreTelemetry":
        """That of another store, say of a replica of this one."""
        return StoreTelemetry(store, self.metrics, self._traces, int(self.slow_s * 1000))

    def error(self, kind: str) -> None:
        """Counts a failure."""
        self.metrics.error(self.store, kind)


@dataclass(frozen=True, slots=True)
class QueryKind:
    """What is alike for all queries of one name."""

    name: str
    query_type: str
    table: str
    slow_s: float
    durations: Durations


class Measured:
    """One query. Whoever runs it fills in `rows_affected`.

    A class, not a generator: this is entered for every query, and a generator costs three times as much.
    """

    __slots__ = ("_begun", "_kind", "_span", "rows_affected")

    def __init__(self, kind: QueryKind, span: AbstractContextManager[None] | None) -> None:
        self.rows_affected = 0
        self._kind = kind
        self._span = span

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
        query = self._kind
        query.durations.add(took)
        slow = took >= query.slow_s
        level = logging.WARNING if slow else logging.DEBUG
        if _log.isEnabledFor(level):
            fields = {
                "query": query.name,
                "query_type": query.query_type,
                "table": query.table,
                "duration_ms": round(took * 1000, 3),
                "rows_affected": self.rows_affected,
            }
            _log.log(level, "slow query" if slow else "query", extra=fields)
