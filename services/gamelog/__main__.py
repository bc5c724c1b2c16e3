"""The game log service: `python -m services.gamelog --help`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gamelog.events.area import area as events
from services.gamelog.migrate import migrate
from services.gamelog.settings import GameLogSettings
from services.gamelog.stores import stores
from shared.service import cli
from shared.service.hosted import Hosted, Runtime, opened

AREAS = (events,)


@asynccontextmanager
async def build(runtime: Runtime[GameLogSettings]) -> AsyncIterator[Hosted]:
    """The service, its store open while the context is open."""
    async with stores(runtime) as open_stores, opened(AREAS, open_stores) as served:
        yield Hosted(served, open_stores.essential, open_stores.background, open_stores.latest)


if __name__ == "__main__":
    cli.main("gamelog", GameLogSettings, build, migrate)
