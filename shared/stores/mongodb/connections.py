"""How many connections to MongoDB are at work, for the metric that every store has."""

from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from shared.telemetry.metrics import Metrics


class Counted(ConnectionPoolListener):
    """Counts what the driver's pools give out and get back."""

    def __init__(self, metrics: Metrics, store: str) -> None:
        self._active = 0
        self._lost = metrics.connections_lost(store)
        metrics.watch_connections(store, lambda: self._active)

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """One is at work."""
        self._active += 1

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        """One is idle again."""
        self._active -= 1

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        """One has gone."""
        if event.reason == "error":
            self._lost.inc()

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """Not counted, like all that follow."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """Not counted."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Not counted."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Not counted."""

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        """Not counted."""

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """Not counted."""

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """Not counted."""

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """Not counted."""
