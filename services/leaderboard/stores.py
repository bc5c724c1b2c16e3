"""What the areas of the leaderboard service share: the Valkey that holds the boards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.leaderboard.settings import LeaderboardSettings
from shared.service.hosted import Runtime
from shared.stores import valkey
from shared.stores.valkey import Valkey

# The largest batch takes some 10 ms in the store. A server that has not answered after this time is taken for dead.
ANSWER_TIMEOUT_S = 2


@dataclass(frozen=True)
class Stores:
    """Open and answering, and how long it keeps what was answered to a request_id."""

    server: Valkey
    requests_kept_s: int


@asynccontextmanager
async def stores(runtime: Runtime[LeaderboardSettings]) -> AsyncIterator[Stores]:
    """The store, while the context is open. Raises StoreUnavailable when it does not answer, StoreUnfit when REDIS_URL
    and REPLICATION_MODE do not fit."""
    settings = runtime.settings
    async with valkey.connect(
        settings.redis_url,
        runtime.store_telemetry(valkey.STORE),
        answer_timeout_s=ANSWER_TIMEOUT_S,
        start_timeout_s=settings.store_start_timeout_s,
        mode=settings.replication_mode,
        sentinel_password=settings.sentinel_password,
    ) as server:
        yield Stores(server, settings.requests_kept_s)
