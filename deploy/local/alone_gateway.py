"""The gateway as an operator runs it, outside of a stack: before backends that somebody else has started.

async with gateway(directory, {"profile": [(host, port), …], "inventory": […], "leaderboard": […],
                               "gamelog": […]}) as alone:
    alone.address, alone.pid, alone.metrics_port
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.gateway.render import Address
from deploy.local.embedded import Silent
from deploy.local.gateway import Gateway
from deploy.local.layout import Layout
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack


@dataclass(frozen=True)
class AloneGateway:
    """`address` is its host:port, `pid` its process; `metrics_port` shows /metrics and /ready."""

    address: str
    pid: int
    metrics_port: int


@asynccontextmanager
async def gateway(directory: Path, backends: Mapping[str, Sequence[Address]]) -> AsyncIterator[AloneGateway]:
    """Envoy before these backends, by the names of their services, for as long as the context is."""
    settings = StackSettings.on_free_ports()
    layout = Layout.of(directory)
    made = Gateway(layout, settings, {name.upper(): addresses for name, addresses in backends.items()}, needs=())
    stack = Stack(layout, [made], {}, Silent())
    await stack.claim({})
    await stack.start()
    try:
        process = stack.units[made.name].process
        assert process is not None  # noqa: S101 # `start` has started it
        yield AloneGateway(made.address, process.pid, settings.gateway_metrics_port)
    finally:
        await stack.stop()
