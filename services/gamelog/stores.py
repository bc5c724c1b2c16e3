"""What the areas of the game log service share: its database, one of two kinds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.gamelog.settings import GameLogSettings
from shared.rpc.health import Ping
from shared.service.hosted import Runtime
from shared.work.background import Failures, Job
from shared.work.consistency import Latest

if TYPE_CHECKING:
    from shared.stores.mongodb import Mongo
    from shared.stores.postgres import Postgres

# The driver of a database is imported where that one is used, so that a process does not load both: each takes more
# than 10 MB.


@dataclass(frozen=True)
class Stores:
    """Open and answering. `database` is of the kind that DATABASE_TYPE names; `background` is what it wants to be done,
    and `failures` counts where that goes wrong. `latest` is set where reads may go to replicas of PostgreSQL."""

    settings: GameLogSettings
    database: "Postgres | Mongo"
    essential: Mapping[str, Ping]
    background: Sequence[Job]
    failures: Failures
    latest: Latest | None = None


@asynccontextmanager
async def stores(runtime: Runtime[GameLogSettings]) -> AsyncIterator[Stores]:
    """The database, while the context is open. Raises StoreUnavailable when it does not answer, StoreUnfit when it
    lacks migrations."""
    opened = _mongodb(runtime) if runtime.settings.database_type == "mongodb" else _postgresql(runtime)
    async with opened as open_stores:
        yield open_stores


@asynccontextmanager
async def _postgresql(runtime: Runtime[GameLogSettings]) -> AsyncIterator[Stores]:
    from shared.service import sql
    from shared.stores import postgres

    settings = runtime.settings
    telemetry = runtime.store_telemetry(postgres.STORE)
    async with sql.connect(settings, telemetry, Path(__file__).parent) as database:
        failures = runtime.metrics.background_failures
        yield Stores(settings, database, {postgres.STORE: database.ping}, database.jobs(), failures, database.latest)


@asynccontextmanager
async def _mongodb(runtime: Runtime[GameLogSettings]) -> AsyncIterator[Stores]:
    from services.gamelog import mongodb_schema
    from shared.stores import mongodb

    settings = runtime.settings
    telemetry = runtime.store_telemetry(mongodb.STORE)
    async with mongodb.connect(
        settings.mongodb_url, settings.connection_pool_size, settings.store_start_timeout_s, telemetry
    ) as database:
        await mongodb_schema.until_fit(database, settings.store_start_timeout_s)
        ping = partial(database.ping, mongodb_schema.check)
        yield Stores(settings, database, {mongodb.STORE: ping}, (), runtime.metrics.background_failures)
