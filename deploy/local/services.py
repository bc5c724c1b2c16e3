"""The three services, each a process or several, with their settings in the environment, as in production."""

import sys
from collections.abc import Mapping, Sequence

from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serving
from deploy.local.process import environment, run
from deploy.local.settings import CHECKOUT, Replica, StackSettings
from deploy.local.valkey import Cache, Ranks
from shared import __version__


class Service(Part):
    """`python -m services.<service> serve`: the service's only process, or one of its replicas."""

    engine = "Savepoint"
    version = __version__

    def __init__(
        self, layout: Layout, service: str, replica: Replica, needs: tuple[str, ...], settings: Mapping[str, str]
    ) -> None:
        super().__init__(layout)
        self.service = service
        self.name = replica.name
        self.port = replica.port
        self.needs = needs
        self.address = f"{HOST}:{replica.port}"
        # The gateway is stopped before the services are: nobody needs a notice that they are about to go.
        listen = {"LISTEN": self.address, "METRICS_LISTEN": f"{HOST}:{replica.metrics_port}", "SHUTDOWN_NOTICE_S": "0"}
        self.environment = environment(listen | dict(settings))

    async def prepare(self) -> None:
        """Its migrations, where it has any."""
        if "DATABASE_URL" in self.environment:
            await run(self._command("migrate"), self.log, f"migrating the database of {self.service}")

    def command(self) -> Command:
        """The service in the foreground."""
        return self._command("serve")

    async def serving(self) -> bool:
        """What its own health service says."""
        return await grpc_serving(self.address)

    def _command(self, command: str) -> Command:
        return Command((sys.executable, "-m", f"services.{self.service}", command), self.environment, CHECKOUT)


class _Further(Service):
    """A replica beside the first one. That one migrates for all: two at once would be in each other's way."""

    async def prepare(self) -> None:
        """Nothing."""


def services(
    layout: Layout, settings: StackSettings, postgres: Postgres, cache: Cache, ranks: Ranks
) -> tuple[Service, ...]:
    """The processes of all three, wired to their stores and to each other."""

    def sql(database: str) -> dict[str, str]:
        return {"DATABASE_TYPE": "postgresql", "DATABASE_URL": postgres.url(database)}

    def started(name: str, needs: tuple[str, ...], environment: Mapping[str, str]) -> list[Service]:
        first, *others = settings.replicas_of(name)
        further = (_Further(layout, name, other, (*needs, first.name), environment) for other in others)
        return [Service(layout, name, first, needs, environment), *further]

    profile = started("profile", (postgres.name, cache.name), sql("profile") | {"REDIS_URL": cache.url})
    inventory = started("inventory", (postgres.name,), sql("inventory") | {"PROFILE_TARGET": _target(profile)})
    leaderboard = started("leaderboard", (ranks.name,), {"DATABASE_TYPE": "valkey", "REDIS_URL": ranks.url})
    return *profile, *inventory, *leaderboard


def _target(replicas: Sequence[Service]) -> str:
    """gRPC's name for all of them: its client calls them in turn, but those that are down or say NOT_SERVING."""
    if len(replicas) == 1:
        return replicas[0].address
    return "ipv4:" + ",".join(replica.address for replica in replicas)
