"""What the areas of the leaderboard service share: the database of the boards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.leaderboard.settings import DYNAMODB, LeaderboardSettings
from shared.rpc.health import Ping
from shared.service.hosted import Runtime
from shared.stores import valkey
from shared.stores.valkey import Valkey

if TYPE_CHECKING:
    from shared.stores.dynamodb import Access, DynamoDb

# The largest batch takes some 10 ms in the store. A server that has not answered after this time is taken for dead.
ANSWER_TIMEOUT_S = 2
# Amazon answers within some 10 ms; a table that is new, or grows quickly, may take longer for a moment.
DYNAMODB_TIMEOUT_S = 5


@dataclass(frozen=True)
class Stores:
    """Open and answering, and the service's settings. One of the databases is there, and the other is None."""

    settings: LeaderboardSettings
    valkey: Valkey | None = None
    dynamodb: "DynamoDb | None" = None

    @property
    def essential(self) -> dict[str, Ping]:
        """What the service cannot do without."""
        if self.valkey:
            return {valkey.STORE: self.valkey.ping}
        return {DYNAMODB: self.dynamodb.ping} if self.dynamodb else {}


@asynccontextmanager
async def stores(runtime: Runtime[LeaderboardSettings]) -> AsyncIterator[Stores]:
    """The store, while the context is open. Raises StoreUnavailable when it does not answer, StoreUnfit when the table
    is missing, or is not ours, or when REDIS_URL and REPLICATION_MODE do not fit."""
    settings = runtime.settings
    if settings.database_type == DYNAMODB:
        # Imported here, so that a service over Valkey does not load Amazon's client, which takes 40 MB.
        from shared.stores import dynamodb

        async with dynamodb.connect(
            access(settings),
            runtime.store_telemetry(dynamodb.STORE),
            answer_timeout_s=DYNAMODB_TIMEOUT_S,
            start_timeout_s=settings.store_start_timeout_s,
        ) as table:
            yield Stores(settings, dynamodb=table)
        return
    async with valkey.connect(
        settings.redis_url,
        runtime.store_telemetry(valkey.STORE),
        answer_timeout_s=ANSWER_TIMEOUT_S,
        start_timeout_s=settings.store_start_timeout_s,
        mode=settings.replication_mode,
        sentinel_password=settings.sentinel_password,
    ) as server:
        yield Stores(settings, valkey=server)


async def migrate(settings: LeaderboardSettings, within_s: float) -> str:
    """Makes what the boards need, if it is not there. Returns what was done. Raises MigrationError."""
    if settings.database_type != DYNAMODB:
        return ""
    from shared.stores import dynamodb

    return await dynamodb.migrate(access(settings), settings.store_start_timeout_s, within_s)


def access(settings: LeaderboardSettings) -> "Access":
    """Where the table is."""
    from shared.stores.dynamodb import Access

    return Access(
        settings.dynamodb_table, settings.aws_region, settings.dynamodb_endpoint_url, settings.connection_pool_size
    )
