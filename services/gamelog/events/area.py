"""The area of events: GameLogService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.gamelog.v1.gamelog_pb2_grpc import add_GameLogServiceServicer_to_server

from services.gamelog.events.retention import keep_forever
from services.gamelog.events.servicer import GameLogServicer
from services.gamelog.events.store import EventStore
from services.gamelog.stores import Stores
from shared.service.hosted import Served
from shared.work.background import Job, running


@asynccontextmanager
async def area(stores: Stores) -> AsyncIterator[Served]:
    """What it serves, while the context is open."""
    settings = stores.settings
    store = _store(stores)
    servicer = GameLogServicer(store, settings.retention_days, settings.tails_at_once())
    try:
        async with running(Job("keep-retention", lambda: keep_forever(store)), stores.failures):
            yield Served("savepoint.gamelog.v1.GameLogService", servicer, add_GameLogServiceServicer_to_server)
    finally:
        await store.close()


def _store(stores: Stores) -> EventStore:
    """The one for the kind of database. Only its driver is loaded (services/gamelog/stores.py)."""
    days = stores.settings.retention_days
    if stores.settings.database_type == "mongodb":
        from services.gamelog.events.mongodb_store import MongoEventStore
        from shared.stores.mongodb import Mongo

        assert isinstance(stores.database, Mongo)  # noqa: S101 # it was opened so
        return MongoEventStore(stores.database, days)
    from services.gamelog.events.sql_store import SqlEventStore
    from shared.stores.postgres import Postgres

    assert isinstance(stores.database, Postgres)  # noqa: S101 # it was opened so
    return SqlEventStore(stores.database, days)
