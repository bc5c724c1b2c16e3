"""The area of boards and their entries: LeaderboardService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.leaderboard.v1.leaderboard_pb2_grpc import add_LeaderboardServiceServicer_to_server

from services.leaderboard.boards.servicer import LeaderboardServicer
from services.leaderboard.boards.store import BoardStore
from services.leaderboard.boards.valkey_store import ValkeyBoardStore
from services.leaderboard.stores import Stores
from shared.service.hosted import Served
from shared.work import background
from shared.work.background import Job


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    async with _store(stores) as store:
        servicer = LeaderboardServicer(store)
        try:
            yield Served(
                "savepoint.leaderboard.v1.LeaderboardService", servicer, add_LeaderboardServiceServicer_to_server
            )
        finally:
            await servicer.close()
            await store.close()


@asynccontextmanager
async def _store(stores: Stores) -> AsyncIterator[BoardStore]:
    """The boards, in the database that is open."""
    settings = stores.settings
    if stores.valkey:
        yield ValkeyBoardStore(stores.valkey, settings.requests_kept_s)
    elif stores.dynamodb:
        # Imported here: see stores.py.
        from services.leaderboard.boards.dynamodb.store import DynamoBoardStore

        store = DynamoBoardStore(
            stores.dynamodb, settings.requests_kept_s, settings.dynamodb_exact_ranks, settings.dynamodb_shards
        )
        failures = stores.dynamodb.telemetry.metrics.background_failures
        async with background.running(Job("deleted-boards", store.deleted.remove_forever), failures):
            yield store
    else:
        raise RuntimeError("no database is open")
