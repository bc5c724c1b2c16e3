"""The metrics by name, kept with OpenTelemetry and scraped by Prometheus.

| name | kind | labels |
|---|---|---|
| rpc_server_duration_seconds | histogram | rpc_service, rpc_method, rpc_grpc_status_code |
| db_query_duration_seconds | histogram | store, query_type, table |
| db_connections_active | gauge | store |
| db_errors_total | counter | store, kind |
| cache_hit_ratio | gauge | cache |
| cache_lookups_total | counter | cache, result |
"""

import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIServer

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from prometheus_client import start_http_server

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """A process's instruments. Made once at the start and handed down."""

    def __init__(self, service: str) -> None:
        seconds = View(instrument_name="*_duration", aggregation=ExplicitBucketHistogramAggregation(_SECONDS))
        self._provider = MeterProvider(
            [PrometheusMetricReader(disable_target_info=True)], Resource({SERVICE_NAME: service}), views=[seconds]
        )
        self._meter = self._provider.get_meter("savepoint")
        # The exporter appends the unit ("_seconds") and a counter's "_total".
        self.rpc_duration = self._meter.create_histogram(
            "rpc_server_duration", unit="s", description="How long calls took, from their arrival to their answer."
        )
        self.query_duration = self._meter.create_histogram(
            "db_query_duration", unit="s", description="How long queries took, the wait for their answer included."
        )
        self.errors = self._meter.create_counter("db_errors", description="Queries that failed, by kind.")
        self._scrape: tuple[WSGIServer, threading.Thread] | None = None

    def watch_connections(self, store: str, active: Callable[[], int]) -> None:
        """Shows `active()` as db_connections_active of this store."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(active(), {"store": store})

        self._meter.create_observable_gauge(
            "db_connections_active", [observe], description="Connections in use right now."
        )

    def cache(self, name: str) -> "CacheMetrics":
        """The instruments of one cache."""
        lookups = CacheMetrics()

        def ratio(_: CallbackOptions) -> Iterable[Observation]:
            total = lookups.hits + lookups.misses
            yield Observation(lookups.hits / total if total else 0.0, {"cache": name})

        def counts(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(lookups.hits, {"cache": name, "result": "hit"})
            yield Observation(lookups.misses, {"cache": name, "result": "miss"})

        self._meter.create_observable_gauge(
            "cache_hit_ratio", [ratio], description="Lookups answered by the cache, of all since the start: 0 to 1."
        )
        self._meter.create_observable_counter("cache_lookups", [counts], description="Lookups by what they found.")
        return lookups

    def serve(self, address: str) -> None:
        """Answers scrapes at host:port, on a thread of its own, until `close`. Raises OSError if the port is taken."""
        host, _, port = address.rpartition(":")
        self._scrape = start_http_server(int(port), host)

    def close(self) -> None:
        """Stops answering and lets go of the instruments."""
        if self._scrape:
            server, thread = self._scrape
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
        self._provider.shutdown()


class CacheMetrics:
    """Counts of one cache's lookups; the gauge and the counter read them when scraped."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
