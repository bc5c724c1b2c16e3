"""What the areas of the profile service share: the database, its request records, the cache of players."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from services.profile.settings import ProfileSettings
from shared.service import sql
from shared.service.hosted import Runtime
from shared.stores import postgres, valkey
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import dialect_of
from shared.stores.requests.records import RequestRecords

# A cache that takes longer than this to answer is slower than the database that it is there to spare.
CACHE_TIMEOUT_S = 0.25


@dataclass(frozen=True)
class Stores:
    """Open and answering; the cache may be down."""

    database: Postgres
    requests: RequestRecords
    cache: PlayerCache


@asynccontextmanager
async def stores(runtime: Runtime[ProfileSettings]) -> AsyncIterator[Stores]:
    """The stores, while the context is open. Raises StoreUnavailable when the database does not answer, StoreUnfit when
    it lacks migrations."""
    settings = runtime.settings
    async with (
        sql.connect(
            settings,
            runtime.store_telemetry(postgres.STORE),
            Path(__file__).parent,
            dialect_of(settings.database_type),
        ) as database,
        valkey.connect(
            settings.redis_url,
            runtime.store_telemetry(valkey.STORE),
            answer_timeout_s=CACHE_TIMEOUT_S,
            mode=settings.cache_replication_mode,
            sentinel_password=settings.sentinel_password,
            tells_reign=True,
        ) as cache_server,
    ):
        cache = PlayerCache(cache_server, settings.cache_ttl_s, runtime.metrics.cache("players"), encoded)
        requests = RequestRecords(database, settings.requests_kept_days)
        try:
            await requests.prepare()
            yield Stores(database, requests, cache)
        finally:
            await requests.close()
            await cache.close()
