"""The three services, each its own process with its settings in the environment, as in production."""

import sys
from collections.abc import Mapping

from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serving
from deploy.local.process import environment, run
from deploy.local.settings import CHECKOUT, StackSettings
from deploy.local.valkey import Cache, Ranks
from shared import __version__


class Service(Part):
    """`python -m services.<name> serve`."""

    engine = "Savepoint"
    version = __version__

    def __init__(
        self, layout: Layout, name: str, ports: tuple[int, int], needs: tuple[str, ...], settings: Mapping[str, str]
    ) -> None:
        super().__init__(layout)
        self.name = name
        self.needs = needs
        self.address = f"{HOST}:{ports[0]}"
        # The gateway is stopped before the services are: nobody needs a notice that they are about to go.
        listen = {"LISTEN": self.address, "METRICS_LISTEN": f"{HOST}:{ports[1]}", "SHUTDOWN_NOTICE_S": "0"}
        self.environment = environment(listen | dict(settings))

    async def prepare(self) -> None:
        """Its migrations, where it has any."""
        if "DATABASE_URL" in self.environment:
            await run(self._command("migrate"), self.log, f"migrating the database of {self.name}")

    def command(self) -> Command:
        """The service in the foreground."""
        return self._command("serve")

    async def serving(self) -> bool:
        """What its own health service says."""
        return await grpc_serving(self.address)

    def _command(self, command: str) -> Command:
        return Command((sys.executable, "-m", f"services.{self.name}", command), self.environment, CHECKOUT)


def services(
    layout: Layout, settings: StackSettings, postgres: Postgres, cache: Cache, ranks: Ranks
) -> tuple[Service, ...]:
    """The three of them, wired to their stores and to each other."""

    def sql(database: str) -> dict[str, str]:
        return {"DATABASE_TYPE": "postgresql", "DATABASE_URL": postgres.url(database)}

    profile = Service(
        layout,
        "profile",
        (settings.profile_port, settings.profile_metrics_port),
        (postgres.name, cache.name),
        sql("profile") | {"REDIS_URL": cache.url},
    )
    inventory = Service(
        layout,
        "inventory",
        (settings.inventory_port, settings.inventory_metrics_port),
        (postgres.name,),
        sql("inventory") | {"PROFILE_TARGET": profile.address},
    )
    leaderboard = Service(
        layout,
        "leaderboard",
        (settings.leaderboard_port, settings.leaderboard_metrics_port),
        (ranks.name,),
        {"DATABASE_TYPE": "valkey", "REDIS_URL": ranks.url},
    )
    return profile, inventory, leaderboard
