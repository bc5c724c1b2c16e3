"""A service serves a database only with the migrations that its code needs."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.stores import Stores
from shared.stores import postgres
from shared.stores.errors import MigrationError, StoreUnfit
from shared.stores.postgres.migrations import migrate
from shared.telemetry.store import StoreTelemetry
from tests.integration.test_postgres_pool import until_health_is
from tests.support import service as services
from tests.support.service import Service, starts_with

MENDS_IT = "python -m services.profile migrate"


async def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Runs statements and returns the rows of the last one."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements[:-1]:
            await connection.execute(statement.encode())
        cursor = await connection.execute(statements[-1].encode())
        return await cursor.fetchall() if cursor.description else []


@pytest.fixture
async def empty(stores: Stores) -> AsyncIterator[str]:
    """A database with nothing in it."""
    name = f"schema_{uuid.uuid4().hex[:8]}"
    await execute(stores.postgres_url("postgres"), f"CREATE DATABASE {name}")
    yield stores.postgres_url(name)
    await execute(stores.postgres_url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def environment(stores: Stores, empty: str, tmp_path: Path) -> dict[str, str]:
    """Of a profile service over the empty database."""
    given = {"DATABASE_URL": empty, "REDIS_URL": stores.cache_url, "STORE_START_TIMEOUT_S": "1"}
    return Service("profile", given, tmp_path / "log").environment


def toy(service: Path, *names: str) -> Path:
    """A service's folder with migrations that note their own order."""
    for name in names:
        file = service / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            "-- migrate:up\n"
            "CREATE TABLE IF NOT EXISTS done (place SERIAL, name TEXT);\n"
            f"INSERT INTO done (name) VALUES ('{file.stem}');\n-- migrate:down\n"
        )
    return service


async def connected(url: str, service: Path, telemetry: StoreTelemetry) -> None:
    async with postgres.connect(url, 5, 1, telemetry, service=service) as database:
        await database.ping()


async def test_migrations_of_several_folders_are_applied_in_the_order_of_their_names(
    empty: str, tmp_path: Path
) -> None:
    names = ("migrations/0001_a.sql", "zoo/migrations/0002_b.sql", "migrations/0003_c.sql", "ant/migrations/0004_d.sql")
    await migrate(empty, toy(tmp_path / "toy", *names), 5)
    rows = await execute(empty, "SELECT name FROM done ORDER BY place")
    assert [name for (name,) in rows] == ["0001_a", "0002_b", "0003_c", "0004_d"]


async def test_a_large_database_is_given_the_time_that_it_needs(empty: str, tmp_path: Path) -> None:
    service = tmp_path / "toys"
    (service / "migrations").mkdir(parents=True)
    (service / "migrations" / "0001_long.sql").write_text("-- migrate:up\nSELECT pg_sleep(2);\n-- migrate:down\n")
    with pytest.raises(MigrationError, match=r"services\.toys migrate --within"):
        await migrate(empty, service, 5, within_s=1)
    await migrate(empty, service, 5, within_s=20)


async def test_two_migrations_of_one_version_are_refused(empty: str, tmp_path: Path) -> None:
    service = toy(tmp_path / "toy", "migrations/0001_a.sql", "zoo/migrations/0001_b.sql")
    with pytest.raises(MigrationError, match=r"0001_a\.sql and .*0001_b\.sql"):
        await migrate(empty, service, 5)


async def test_a_database_with_half_of_the_migrations_is_not_used(
    empty: str, tmp_path: Path, store_telemetry: StoreTelemetry
) -> None:
    service = toy(tmp_path / "toy", "migrations/0001_a.sql")
    await migrate(empty, service, 5)
    await connected(empty, service, store_telemetry)
    toy(service, "ant/migrations/0002_b.sql")
    with pytest.raises(StoreUnfit, match=r"lacks 0002 of 2 migrations.*python -m services\.toy migrate"):
        await connected(empty, service, store_telemetry)
    await migrate(empty, service, 5)
    await connected(empty, service, store_telemetry)


@pytest.mark.parametrize("with_table", [False, True])
async def test_a_service_does_not_start_on_a_database_without_its_migrations(
    environment: dict[str, str], with_table: bool
) -> None:
    if with_table:
        await services.migrate("profile", environment)
        await execute(environment["DATABASE_URL"], "DELETE FROM schema_migrations WHERE version = '0001'")
    code, message = await starts_with({**environment, "LOG_LEVEL": "ERROR"}, "serve")
    assert code == 1
    [line] = message.splitlines()
    assert MENDS_IT in line
    assert "0001" in line


async def test_a_service_does_not_start_on_a_database_that_is_newer(environment: dict[str, str]) -> None:
    await services.migrate("profile", environment)
    await execute(environment["DATABASE_URL"], "INSERT INTO schema_migrations (version) VALUES ('9999')")
    code, message = await starts_with({**environment, "STORE_START_TIMEOUT_S": "30"}, "serve")
    assert code == 1
    [line] = message.splitlines()
    assert "9999" in line
    assert "older than the database" in line


async def test_a_service_waits_for_its_migrations_and_follows_the_database(
    stores: Stores, environment: dict[str, str], tmp_path: Path
) -> None:
    url = environment["DATABASE_URL"]
    service = Service("profile", {**environment, "STORE_START_TIMEOUT_S": "20"}, tmp_path / "service")
    starting = asyncio.create_task(service.start())
    async with asyncio.timeout(10):
        while not service.log.exists() or MENDS_IT not in service.log.read_text():
            await asyncio.sleep(0.05)
    assert not await service.serving()
    await services.migrate("profile", environment)
    await starting

    # One that is newer by now was migrated for the replica that will replace this one: until then, this one serves.
    await execute(url, "INSERT INTO schema_migrations (version) VALUES ('9999')")
    async with asyncio.timeout(15):
        while "older than the database" not in service.log.read_text():
            await asyncio.sleep(0.05)
    assert await service.serving()
    # Another database in its place, as after a restore that went wrong.
    name = url.partition("@/")[2].partition("?")[0]
    await execute(stores.postgres_url("postgres"), f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    await until_health_is(service, False, within_s=8)
    reasons = [line for line in service.log.read_text().splitlines() if '"not serving: ' in line]
    assert MENDS_IT in reasons[-1]
    assert not await service.serving()
    await services.migrate("profile", environment)
    await until_health_is(service, True, within_s=8)
    await service.end()
