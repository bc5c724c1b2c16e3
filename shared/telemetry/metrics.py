"""The metrics by name, scraped by Prometheus.

| name | kind | labels |
|---|---|---|
| rpc_server_duration_seconds | histogram | rpc_service, rpc_method, rpc_grpc_status_code |
| rpc_server_handlers_running | gauge | |
| rpc_server_connections | gauge | |
| db_query_duration_seconds | histogram | store, query_type, table |
| db_connections_active | gauge | store |
| db_connections_max | gauge | store |
| db_connections_waiting | gauge | store |
| db_connections_lost_total | counter | store |
| db_replica_lag_seconds | gauge | store |
| db_errors_total | counter | store, kind |
| cache_hit_ratio | gauge | cache |
| cache_lookups_total | counter | cache, result |
| background_failures_total | counter | job |

Kept with prometheus_client, not with OpenTelemetry's metrics: see docs/adr/0005-metrics-with-prometheus-client.md.
"""

import threading
from collections.abc import Callable
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from shared.telemetry.tally import Count, CountsByLabels, Durations, DurationsByLabels

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """A process's instruments, and its memory, CPU and garbage. Made once at the start and handed down."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._calls = DurationsByLabels(
            "rpc_server_duration_seconds",
            "How long calls took, from their arrival to their answer.",
            ("rpc_service", "rpc_method", "rpc_grpc_status_code"),
            _SECONDS,
            self._registry,
        )
        self._handlers = Gauge(
            "rpc_server_handlers_running", "Calls that are being handled right now.", registry=self._registry
        )
        self._peers = Gauge(
            "rpc_server_connections", "Connections of clients that are open right now.", registry=self._registry
        )
        self._queries = DurationsByLabels(
            "db_query_duration_seconds",
            "How long queries took, the wait for their answer included.",
            ("store", "query_type", "table"),
            _SECONDS,
            self._registry,
        )
        self._connections = Gauge(
            "db_connections_active", "Connections in use right now.", ("store",), registry=self._registry
        )
        self._most = Gauge(
            "db_connections_max", "Connections that the pool opens at most.", ("store",), registry=self._registry
        )
        self._waiting = Gauge(
            "db_connections_waiting",
            "Callers that wait for a connection right now.",
            ("store",),
            registry=self._registry,
        )
        self._lost = Counter(
            "db_connections_lost",
            "Connections that a pool counted and did not have; it was made anew.",
            ("store",),
            registry=self._registry,
        )
        self._replica_lag = Gauge(
            "db_replica_lag_seconds",
            "How far a replica is behind its primary; NaN where it does not answer.",
            ("store",),
            registry=self._registry,
        )
        self._errors = Counter("db_errors", "Queries that failed, by kind.", ("store", "kind"), registry=self._registry)
        self._hit_ratio = Gauge(
            "cache_hit_ratio",
            "Lookups answered by the cache, of all since the start: 0 to 1.",
            ("cache",),
            registry=self._registry,
        )
        self._lookups = CountsByLabels(
            "cache_lookups", "Lookups by what they found.", ("cache", "result"), self._registry
        )
        self._background = Counter(
            "background_failures", "Work beside the calls that failed, by its name.", ("job",), registry=self._registry
        )
        self._scrape: tuple[WSGIServer, threading.Thread] | None = None

    def calls(self, service: str, method: str) -> "CallMetrics":
        """The instruments of one RPC."""
        return CallMetrics(lambda code: self._calls.of(service, method, code))

    def watch_handlers(self, running: Callable[[], int]) -> None:
        """Shows `running()` as rpc_server_handlers_running."""
        self._handlers.set_function(running)

    def watch_clients(self, connected: Callable[[], int]) -> None:
        """Shows `connected()` as rpc_server_connections."""
        self._peers.set_function(connected)

    def queries(self, store: str, query_type: str, table: str) -> Durations:
        """How long such queries took."""
        return self._queries.of(store, query_type, table)

    def error(self, store: str, kind: str) -> None:
        """Counts a query that failed."""
        self._errors.labels(store, kind).inc()

    def watch_connections(self, store: str, active: Callable[[], int]) -> None:
        """Shows `active()` as db_connections_active of this store."""
        self._connections.labels(store).set_function(active)

    def watch_pool(self, store: str, size: int, waiting: Callable[[], int]) -> None:
        """Shows `size` as db_connections_max and `waiting()` as db_connections_waiting of this store."""
        self._most.labels(store).set(size)
        self._waiting.labels(store).set_function(waiting)

    def watch_replica_lag(self, store: str, lag_s: Callable[[], float]) -> None:
        """Shows `lag_s()` as db_replica_lag_seconds of this replica."""
        self._replica_lag.labels(store).set_function(lag_s)

    def connections_lost(self, store: str) -> Counter:
        """Counts connections that this store's pool has lost."""
        return self._lost.labels(store)

    def cache(self, name: str) -> "CacheMetrics":
        """The instruments of one cache."""
        lookups = CacheMetrics(self._lookups.of(name, "hit"), self._lookups.of(name, "miss"))
        self._hit_ratio.labels(name).set_function(lambda: lookups.ratio)
        return lookups

    def background_failures(self, job: str) -> Counter:
        """Counts failures of this work beside the calls; 0 from now on."""
        return self._background.labels(job)

    def serve(self, address: str) -> None:
        """Answers scrapes at host:port, on a thread of its own, until `close`. Raises OSError if the port is taken."""
        host, _, port = address.rpartition(":")
        self._scrape = start_http_server(int(port), host, self._registry)

    def close(self) -> None:
        """Stops answering."""
        if self._scrape:
            server, thread = self._scrape
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)


class CallMetrics:
    """Counts one RPC's calls."""

    def __init__(self, of_code: Callable[[str], Durations]) -> None:
        self._of_code = of_code
        self._durations: dict[str, Durations] = {}

    def count(self, code: str, seconds: float) -> None:
        """Counts a call by its status."""
        durations = self._durations.get(code)
        if durations is None:
            durations = self._durations[code] = self._of_code(code)
        durations.add(seconds)


class CacheMetrics:
    """Counts one cache's lookups."""

    def __init__(self, hits: Count, misses: Count) -> None:
        self._hits = hits
        self._misses = misses

    def count(self, hits: int, misses: int) -> None:
        """Counts lookups by what they found."""
        self._hits.value += hits
        self._misses.value += misses

    @property
    def hits(self) -> int:
        """Lookups that the cache has answered."""
        return self._hits.value

    @property
    def misses(self) -> int:
        """Lookups that it could not answer."""
        return self._misses.value

    @property
    def ratio(self) -> float:
        """Hits of all lookups so far; 0 before the first."""
        total = self.hits + self.misses
        return self.hits / total if total else 0.0
