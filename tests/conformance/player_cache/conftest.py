"""The cache as the service's own code uses it, inside the test's process, and the database that it spares."""

from collections.abc import AsyncIterator, Callable

import pytest

from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from shared.stores import postgres, valkey
from shared.stores.postgres import Postgres
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.conformance.database import Environments
from tests.support.player_cache import Stage
from tests.support.service import Service

Caches = Callable[[], PlayerCache]


@pytest.fixture(scope="session")
async def players_database(
    environments: Environments, profile: Service, store_telemetry: StoreTelemetry
) -> AsyncIterator[Postgres]:
    """Where the players really are."""
    async with postgres.connect(environments["profile"]["DATABASE_URL"], 5, 10, store_telemetry) as connected:
        yield connected


@pytest.fixture(scope="session")
async def cache_server(environments: Environments, store_telemetry: StoreTelemetry) -> AsyncIterator[Valkey]:
    """What keeps the copies."""
    settings = environments["profile"]
    async with valkey.connect(
        settings["REDIS_URL"],
        store_telemetry,
        answer_timeout_s=2,
        start_timeout_s=10,
        mode=settings.get("CACHE_REPLICATION_MODE", "single"),
        sentinel_password=settings.get("SENTINEL_PASSWORD", ""),
        tells_reign=True,
    ) as connected:
        yield connected


@pytest.fixture
async def caches(cache_server: Valkey) -> AsyncIterator[Caches]:
    """Makes caches, each as in a process of its own. Where there may be failovers, none has happened."""
    made: list[PlayerCache] = []

    def make() -> PlayerCache:
        made.append(PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded, settle_s=0))
        return made[-1]

    yield make
    for cache in made:
        await cache.close()


@pytest.fixture
def stage(players_database: Postgres, cache_server: Valkey) -> Stage:
    """Where plays are played."""
    return Stage(players_database, cache_server)
