"""The inventory service: `python -m services.inventory --help`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.inventory.items.area import area as items
from services.inventory.matches.area import area as matches
from services.inventory.settings import InventorySettings
from services.inventory.stores import stores
from shared.service import cli
from shared.service.hosted import Hosted, Runtime, opened
from shared.stores import postgres
from shared.work.background import Job

AREAS = (items, matches)


@asynccontextmanager
async def build(runtime: Runtime[InventorySettings]) -> AsyncIterator[Hosted]:
    """The service, its stores open while the context is open."""
    async with stores(runtime) as open_stores, opened(AREAS, open_stores) as served:
        database, requests = open_stores.database, open_stores.requests
        yield Hosted(
            served,
            essential={postgres.STORE: database.ping},
            background=[Job("forget-requests", requests.forget_forever), *database.jobs()],
            latest=database.latest,
        )


if __name__ == "__main__":
    cli.main("inventory", InventorySettings, build, Path(__file__).parent)
