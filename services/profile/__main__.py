"""The profile service: settings, stores, servicers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from savepoint.profile.v1.profile_pb2_grpc import add_ProfileServiceServicer_to_server
from savepoint.profile.v1.wallet_pb2_grpc import add_WalletServiceServicer_to_server

from services.profile.cache import PlayerCache
from services.profile.servicer import ProfileServicer
from services.profile.settings import ProfileSettings
from services.profile.store import PlayerStore
from services.profile.wallet_servicer import WalletServicer
from services.profile.wallet_store import WalletStore
from shared import cli, postgres, valkey
from shared.idempotency import Requests
from shared.service import Hosted, Runtime

# A cache that takes longer than this is slower than what it is there to spare.
CACHE_TIMEOUT_S = 0.25


@asynccontextmanager
async def build(runtime: Runtime[ProfileSettings]) -> AsyncIterator[Hosted]:
    """The service, its stores open for as long as the context is."""
    settings = runtime.settings
    async with (
        postgres.connect(
            settings.database_url,
            settings.connection_pool_size,
            settings.store_start_timeout_s,
            runtime.store_telemetry(postgres.STORE),
        ) as database,
        valkey.connect(
            settings.redis_url, runtime.store_telemetry(valkey.STORE), answer_timeout_s=CACHE_TIMEOUT_S
        ) as cache_server,
    ):
        cache = PlayerCache(cache_server, settings.cache_ttl_s, runtime.metrics.cache("players"))
        requests = Requests(database)
        players = PlayerStore(database, requests, cache)
        wallets = WalletStore(database, requests, cache)
        try:
            yield Hosted(
                servicers=[
                    (
                        add_ProfileServiceServicer_to_server,
                        ProfileServicer(players),
                        "savepoint.profile.v1.ProfileService",
                    ),
                    (
                        add_WalletServiceServicer_to_server,
                        WalletServicer(wallets),
                        "savepoint.profile.v1.WalletService",
                    ),
                ],
                essential={postgres.STORE: database.ping},
                background=[requests.forget_forever, database.watch_forever],
            )
        finally:
            await players.close()
            await requests.close()
            await cache.close()


if __name__ == "__main__":
    cli.main("profile", ProfileSettings, build, Path(__file__).parent / "migrations")
