"""The area of wallets: WalletService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.profile.v1.wallet_pb2_grpc import add_WalletServiceServicer_to_server

from services.profile.stores import Stores
from services.profile.wallets.servicer import WalletServicer
from services.profile.wallets.sql_store import SqlWalletStore
from shared.service.hosted import Served


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    store = SqlWalletStore(stores.database, stores.requests, stores.cache)
    try:
        yield Served("savepoint.profile.v1.WalletService", WalletServicer(store), add_WalletServiceServicer_to_server)
    finally:
        await store.close()
