"""The area of players: ProfileService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.profile.v1.profile_pb2_grpc import add_ProfileServiceServicer_to_server

from services.profile.players.servicer import ProfileServicer
from services.profile.players.sql_store import SqlPlayerStore
from services.profile.stores import Stores
from shared.service.hosted import Served


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    store = SqlPlayerStore(stores.database, stores.requests, stores.cache)
    try:
        yield Served(
            "savepoint.profile.v1.ProfileService", ProfileServicer(store), add_ProfileServiceServicer_to_server
        )
    finally:
        await store.close()
