"""What the areas of the inventory service share: the database, its request records, which players are known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.inventory.known_players import profile_client
from services.inventory.known_players.known_players import KnownPlayers
from services.inventory.settings import InventorySettings
from shared.service import sql
from shared.service.hosted import Runtime
from shared.stores import postgres
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import dialect_of
from shared.stores.requests.records import RequestRecords


@dataclass(frozen=True)
class Stores:
    """Open and answering; the profile service may be down."""

    database: Postgres
    requests: RequestRecords
    players: KnownPlayers


@asynccontextmanager
async def stores(runtime: Runtime[InventorySettings]) -> AsyncIterator[Stores]:
    """The stores, while the context is open. Raises StoreUnavailable when the database does not answer, StoreUnfit when
    it lacks migrations."""
    settings = runtime.settings
    async with (
        sql.connect(
            settings,
            runtime.store_telemetry(postgres.STORE),
            Path(__file__).parent,
            dialect_of(settings.database_type, follower_reads=settings.follower_reads == "on"),
        ) as database,
        profile_client.connect(settings.profile_target, settings.profile_ca, settings.tls(), runtime.traces) as profile,
    ):
        players = KnownPlayers(database, profile.existing)
        requests = RequestRecords(database, settings.requests_kept_days)
        try:
            await requests.prepare()
            yield Stores(database, requests, players)
        finally:
            await requests.close()
            await players.close()
