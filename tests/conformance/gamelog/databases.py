"""Where the game log is kept."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import embedded, engines
from tests.conformance.database import Database, Environments
from tests.conformance.sql import databases as sql

# A MongoDB of the tester's own: mongodb://host:port/?options; databases of new names are made there.
_URL = os.environ.get("TEST_MONGODB_URL", "")


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncIterator[Environments]:
    """What the embedded stack starts for it."""
    async with embedded.stores(directory, gamelog_database_type="mongodb") as stores:
        yield {"gamelog": stores.game_log().settings}


@asynccontextmanager
async def _given(directory: Path) -> AsyncIterator[Environments]:
    server, _, options = _URL.partition("?")
    url = f"{server.rstrip('/')}/savepoint_{uuid.uuid4().hex[:12]}?{options}"
    yield {"gamelog": {"DATABASE_TYPE": "mongodb", "MONGODB_URL": url}}


def _not_given() -> str:
    return "" if _URL else "TEST_MONGODB_URL names no server"


# Those of the SQL services on which the game log runs too. It keeps nothing in CockroachDB.
_SQL = ("PostgreSQL 18", "PostgreSQL 16", "PostgreSQL 15", "PgBouncer")

DATABASES = (
    *(database for database in sql.DATABASES if database.name in _SQL),
    Database(
        "MongoDB",
        _embedded,
        f"SecantusDB {engines.version('secantusdb')}",
    ),
    Database("MongoDB of one's own", _given, "mongod", unavailable=_not_given),
)
