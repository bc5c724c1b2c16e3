"""The whole suite with so many replicas of each service behind the gateway, as a rolling restart needs them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.bed import Services
from bench.seed import Seed, sow
from deploy.gateway.render import Address
from deploy.local.alone import Service, migrate, running
from deploy.local.alone_gateway import gateway
from deploy.local.embedded import stores as embedded_stores
from deploy.local.probes import healthy_replicas
from deploy.local.stores import Stores

# As in production: the gateway notices, then calls are refused.
_NOTICE = {"SHUTDOWN_NOTICE_S": "1"}


@dataclass(frozen=True)
class Fleet:
    """`replicas`: the services by name. `gateway` is its host:port, `gateway_pid` its process; `store_pids` those of
    the stores, by name."""

    stores: Stores
    replicas: Mapping[str, list[Service]]
    gateway: str
    gateway_pid: int
    gateway_metrics_port: int
    store_pids: Mapping[str, int]

    @property
    def services(self) -> Services:
        """The first replicas of the two that most operations are about."""
        return Services(self.replicas["profile"][0], self.replicas["leaderboard"][0])

    async def sow(self) -> Seed:
        """Something to find, made through the gateway."""
        return await sow(self.gateway, self.gateway)

    def addresses(self, replicas: int | None = None) -> dict[str, list[Address]]:
        """Where the first so many replicas of each service listen; without a number, all of them."""
        return {name: [_address(each) for each in services[:replicas]] for name, services in self.replicas.items()}

    async def whole(self, within_s: float = 20) -> None:
        """Waits until the gateway holds every replica for healthy. Raises TimeoutError."""
        await healthy(self.gateway_metrics_port, self.addresses(), within_s)


async def healthy(metrics_port: int, addresses: Mapping[str, Sequence[Address]], within_s: float = 20) -> None:
    """Waits until the gateway with this metrics port holds all of its backends for healthy. Raises TimeoutError."""
    wanted = {name: len(its) for name, its in addresses.items()}
    async with asyncio.timeout(within_s):
        while not wanted.items() <= (await healthy_replicas(metrics_port)).items():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def fleet(replicas: int, settings: Mapping[str, str]) -> AsyncIterator[Fleet]:
    """Stores, replicas with these settings, and a gateway before them, all SERVING, while the context is open."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="savepoint-bench-")))
        stores = await stack.enter_async_context(embedded_stores(directory / "stores"))
        profile = {"DATABASE_URL": stores.postgres_url("profile"), "REDIS_URL": stores.cache_url}
        inventory = {"DATABASE_URL": stores.postgres_url("inventory")}
        await migrate("profile", profile)
        await migrate("inventory", inventory)

        async def start(name: str, environment: Mapping[str, str]) -> list[Service]:
            started = []
            for number in range(replicas):
                logs = directory / f"{name}-{number}"
                logs.mkdir()
                context = running(name, {**_NOTICE, **environment, **settings}, logs)
                started.append(await stack.enter_async_context(context))
            return started

        profiles = await start("profile", profile)
        # gRPC's own way to name several addresses, where no DNS name stands for all of them.
        targets = "ipv4:" + ",".join(each.address for each in profiles)
        services = {
            "profile": profiles,
            "inventory": await start("inventory", inventory | {"PROFILE_TARGET": targets}),
            "leaderboard": await start("leaderboard", {"REDIS_URL": stores.ranks_url}),
        }
        addresses = {name: [_address(each) for each in started] for name, started in services.items()}
        before = await stack.enter_async_context(gateway(directory / "gateway", addresses))
        made = Fleet(stores, services, before.address, before.pid, before.metrics_port, _pids(stores))
        await made.whole()
        yield made


def _address(service: Service) -> Address:
    host, _, port = service.address.rpartition(":")
    return host, int(port)


def _pids(stores: Stores) -> dict[str, int]:
    """The stores' processes: those of our children that work in the stores' directories."""
    names = {str(each.data): each.name for each in (stores.postgres, stores.cache, stores.ranks)}
    children = psutil.Process().children()
    return {names[child.cwd()]: child.pid for child in children if child.cwd() in names}
