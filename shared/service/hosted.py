"""What a service is made of: areas, each of which serves one gRPC service, over stores that they share.

An area is a folder of a service, say `services/profile/wallets`. Its `area.py` opens what it needs and says what it
serves; the service's `__main__.py` lists its areas, a line each.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.rpc.health import Ping
from shared.service.settings import ServiceSettings
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces
from shared.work.background import Job
from shared.work.consistency import Latest

S = TypeVar("S", bound=ServiceSettings)
Stores = TypeVar("Stores")


@dataclass(frozen=True)
class Served:
    """One gRPC service: its full name, its servicer, and the generated function that adds that to a host."""

    name: str
    servicer: Any
    add: Callable[[Any, Any], None]


Area = Callable[[Stores], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def opened(areas: Sequence[Area[Stores]], stores: Stores) -> AsyncIterator[Sequence[Served]]:
    """What the areas serve, while the context is open; they are closed in the opposite order."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(area(stores)) for area in areas]


@dataclass(frozen=True)
class Hosted:
    """What a service hands to `serve`.

    `essential` are the stores that it needs: while one of them does not answer, the service is NOT_SERVING.
    `background` is work that runs until the stop. `latest` is set where reads may go to replicas: calls bring and get
    consistency tokens then.
    """

    served: Sequence[Served]
    essential: Mapping[str, Ping]
    background: Sequence[Job] = ()
    latest: Latest | None = None


@dataclass(frozen=True)
class Runtime(Generic[S]):
    """What a service is built from."""

    settings: S
    metrics: Metrics
    traces: Traces

    def store_telemetry(self, store: str) -> StoreTelemetry:
        """How a store tells what it does."""
        return StoreTelemetry(store, self.metrics, self.traces, self.settings.slow_query_ms)


Build = Callable[[Runtime[S]], AbstractAsyncContextManager[Hosted]]
