"""The leaderboard service: `python -m services.leaderboard --help`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.leaderboard.boards.area import area as boards
from services.leaderboard.settings import LeaderboardSettings
from services.leaderboard.stores import migrate, stores
from shared.service import cli
from shared.service.hosted import Hosted, Runtime, opened

AREAS = (boards,)


@asynccontextmanager
async def build(runtime: Runtime[LeaderboardSettings]) -> AsyncIterator[Hosted]:
    """The service, its store open while the context is open."""
    async with stores(runtime) as open_stores, opened(AREAS, open_stores) as served:
        yield Hosted(served, essential=open_stores.essential)


if __name__ == "__main__":
    cli.main("leaderboard", LeaderboardSettings, build, migrate)
