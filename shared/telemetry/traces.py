"""Traces over OTLP, when OTEL_EXPORTER_OTLP_ENDPOINT names a collector; otherwise no span is made, at no cost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared import __version__


class Traces:
    """Spans of one process: one for each call, one below it for each query."""

    def __init__(self, service: str, endpoint: str) -> None:
        self.enabled = bool(endpoint)
        if self.enabled:
            self._provider = TracerProvider(resource=Resource({SERVICE_NAME: service, SERVICE_VERSION: __version__}))
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
            self._tracer = self._provider.get_tracer("savepoint", __version__)

    @contextmanager
    def call(self, method: str, metadata: Mapping[str, str]) -> Iterator[None]:
        """A server span, below the caller's when `metadata` carries its traceparent."""
        if not self.enabled:
            yield
            return
        parent = propagate.extract(metadata)
        with self._tracer.start_as_current_span(method.lstrip("/"), parent, trace.SpanKind.SERVER):
            yield

    @contextmanager
    def query(self, name: str, query_type: str, table: str) -> Iterator[None]:
        """A client span around a query."""
        if not self.enabled:
            yield
            return
        attributes = {"db.operation.name": query_type, "db.collection.name": table}
        with self._tracer.start_as_current_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes):
            yield

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        """Metadata that carries the current span to another service."""
        carrier: dict[str, str] = {}
        if self.enabled:
            propagate.inject(carrier)
        return tuple(carrier.items())

    def close(self) -> None:
        """Sends what is still held back."""
        if self.enabled:
            self._provider.shutdown()
