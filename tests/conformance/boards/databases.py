"""Where the leaderboards are kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from deploy.local import embedded, ports
from deploy.local.servers.dynamodb import DynamoDbLocal, no_dynamodb_local
from tests.conformance.database import Database, Environments
from tests.conformance.valkeys import valkeys_and_redises


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

DATABASES = (
    *valkeys_and_redises(_embedded),
    Database(
        "DynamoDB",
        _dynamodb,
        f"{DynamoDbLocal.engine} {DynamoDbLocal.version}",
        slow=True,
        unavailable=no_dynamodb_local,
        lacks=_DYNAMODB_LACKS,
    ),
)
