"""The profile service: `python -m services.profile --help`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.profile.players.area import area as players
from services.profile.settings import ProfileSettings
from services.profile.stores import stores
from services.profile.wallets.area import area as wallets
from shared.service import cli
from shared.service.hosted import Hosted, Runtime, opened
from shared.stores import postgres
from shared.work.background import Job

AREAS = (players, wallets)


@asynccontextmanager
async def build(runtime: Runtime[ProfileSettings]) -> AsyncIterator[Hosted]:
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
    cli.main("profile", ProfileSettings, build, Path(__file__).parent)
