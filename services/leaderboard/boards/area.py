"""The area of boards and their entries: LeaderboardService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.leaderboard.v1.leaderboard_pb2_grpc import add_LeaderboardServiceServicer_to_server

from services.leaderboard.boards.servicer import LeaderboardServicer
from services.leaderboard.boards.valkey_store import ValkeyBoardStore
from services.leaderboard.stores import Stores
from shared.service.hosted import Served


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    store = ValkeyBoardStore(stores.server, stores.requests_kept_s)
    servicer = LeaderboardServicer(store)
    try:
        yield Served("savepoint.leaderboard.v1.LeaderboardService", servicer, add_LeaderboardServiceServicer_to_server)
    finally:
        await servicer.close()
        await store.close()
