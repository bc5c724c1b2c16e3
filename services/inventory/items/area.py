"""The area of items: InventoryService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.inventory.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server

from services.inventory.items.servicer import InventoryServicer
from services.inventory.items.sql_store import SqlItemStore
from services.inventory.stores import Stores
from shared.service.hosted import Served


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    store = SqlItemStore(stores.database, stores.requests, stores.players)
    try:
        yield Served(
            "savepoint.inventory.v1.InventoryService", InventoryServicer(store), add_InventoryServiceServicer_to_server
        )
    finally:
        await store.close()
