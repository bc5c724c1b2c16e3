"""The services, each a process or several, with their settings in the environment, as in production."""

import sys
from collections.abc import Mapping, Sequence

from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.probes import grpc_serving
from deploy.local.process import environment, run
from deploy.local.settings import CHECKOUT, Replica, StackSettings
from deploy.local.stores import Stores, Way
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
        environment = self.environment
        if {"DATABASE_URL", "MONGODB_URL"} & environment.keys() or environment.get("DATABASE_TYPE") == "dynamodb":
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


def services(layout: Layout, settings: StackSettings, stores: Stores) -> tuple[Service, ...]:
    """The processes of all of them, wired to their stores and to each other."""

    def started(name: str, ways: Sequence[Way], others: Mapping[str, str] | None = None) -> list[Service]:
        needs = tuple(dict.fromkeys(part for way in ways for part in way.needs))
        environment = {name: value for way in ways for name, value in way.settings.items()} | dict(others or {})
        first, *further = settings.replicas_of(name)
        return [
            Service(layout, name, first, needs, environment),
            *(_Further(layout, name, replica, (*needs, first.name), environment) for replica in further),
        ]

    profile = started("profile", (stores.sql("profile"), stores.player_cache()))
    inventory = started("inventory", (stores.sql("inventory"),), {"PROFILE_TARGET": _target(profile)})
    leaderboard = started("leaderboard", (stores.boards(),))
    gamelog = started("gamelog", (stores.game_log(),))
    return *profile, *inventory, *leaderboard, *gamelog


def _target(replicas: Sequence[Service]) -> str:
    """gRPC's name for all of them: its client calls them in turn, but those that are down or say NOT_SERVING."""
    if len(replicas) == 1:
        return replicas[0].address
    return "ipv4:" + ",".join(replica.address for replica in replicas)
