"""Which parts there are, and how they are wired."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from deploy.gateway.render import Address
from deploy.local.gateway import Gateway
from deploy.local.layout import Layout
from deploy.local.part import Part
from deploy.local.ports import HOST
from deploy.local.probes import grpc_serving, healthy_replicas
from deploy.local.services import Service, services
from deploy.local.settings import StackSettings
from deploy.local.stores import Stores


class Suite:
    """The stores, the services over them, and the gateway before these; `parts` is all of them."""

    def __init__(self, layout: Layout, settings: StackSettings) -> None:
        self.settings = settings
        self.stores = Stores(layout, settings)
        self.services = services(layout, settings, self.stores)
        self.gateway = Gateway(layout, settings, _addresses(self.services), tuple(each.name for each in self.services))
        self.parts: tuple[Part, ...] = (*self.stores.parts, *self.services, self.gateway)

    async def serving(self, within_s: float) -> None:
        """Waits until a call through the gateway reaches every service. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not await grpc_serving(self.gateway.address):
                await asyncio.sleep(0.05)

    async def whole(self, within_s: float) -> None:
        """Waits until the gateway sends calls to every replica. Raises TimeoutError."""
        wanted = Counter(each.service for each in self.services)
        async with asyncio.timeout(within_s):
            while not wanted.items() <= (await healthy_replicas(self.settings.gateway_metrics_port)).items():
                await asyncio.sleep(0.05)


def _addresses(services: Sequence[Service]) -> Mapping[str, Sequence[Address]]:
    """Where the processes of each service listen, as the gateway's template names it."""
    found: defaultdict[str, list[Address]] = defaultdict(list)
    for each in services:
        found[each.service.upper()].append((HOST, each.port))
    return found
