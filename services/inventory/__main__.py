"""The inventory service: settings, stores, servicers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from savepoint.inventory.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server
from savepoint.match.v1.match_pb2_grpc import add_MatchServiceServicer_to_server

from services.inventory import profile_client
from services.inventory.known_players import KnownPlayers
from services.inventory.match_servicer import MatchServicer
from services.inventory.match_store import MatchStore
from services.inventory.servicer import InventoryServicer
from services.inventory.settings import InventorySettings
from services.inventory.store import ItemStore
from shared import cli, postgres
from shared.idempotency import Requests
from shared.service import Hosted, Runtime


@asynccontextmanager
async def build(runtime: Runtime[InventorySettings]) -> AsyncIterator[Hosted]:
    """The service, its stores open for as long as the context is."""
    settings = runtime.settings
    async with (
        postgres.connect(
            settings.database_url,
            settings.connection_pool_size,
            settings.store_start_timeout_s,
            runtime.store_telemetry(postgres.STORE),
        ) as database,
        profile_client.connect(settings.profile_target, settings.profile_ca, settings.tls(), runtime.traces) as profile,
    ):
        players = KnownPlayers(database, profile.existing)
        requests = Requests(database)
        items = ItemStore(database, requests, players)
        matches = MatchStore(database, requests, players)
        try:
            yield Hosted(
                servicers=[
                    (
                        add_InventoryServiceServicer_to_server,
                        InventoryServicer(items),
                        "savepoint.inventory.v1.InventoryService",
                    ),
                    (
                        add_MatchServiceServicer_to_server,
                        MatchServicer(matches),
                        "savepoint.match.v1.MatchService",
                    ),
                ],
                essential={postgres.STORE: database.ping},
                background=[requests.forget_forever, database.watch_forever],
            )
        finally:
            await matches.close()
            await requests.close()
            await players.close()


if __name__ == "__main__":
    cli.main("inventory", InventorySettings, build, Path(__file__).parent / "migrations")
