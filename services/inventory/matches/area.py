"""The area of matches: MatchService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.match.v1.match_pb2_grpc import add_MatchServiceServicer_to_server

from services.inventory.matches.servicer import MatchServicer
from services.inventory.matches.sql_store import SqlMatchStore
from services.inventory.stores import Stores
from shared.service.hosted import Served


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    store = SqlMatchStore(stores.database, stores.requests, stores.players)
    try:
        yield Served("savepoint.match.v1.MatchService", MatchServicer(store), add_MatchServiceServicer_to_server)
    finally:
        await store.close()
