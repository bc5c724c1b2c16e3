"""The doctor finds each illness of PostgreSQL, made on a real one."""

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.doctor.finding import Severity
from deploy.doctor.postgres.session import QUERIES, session
from deploy.doctor.targets import (
    Database,
    Process,
)
from deploy.doctor.targets import (
    databases as databases_of,
)
from deploy.local.part import Command
from deploy.local.process import run
from deploy.local.servers.postgres import Postgres
from deploy.local.stores import Stores
from tests.support import databases
from tests.support.doctor import CALLERS, found, looked, problems, until
from tests.support.parts import alone
from tests.support.service import migrate, running

Session = psycopg.AsyncConnection[tuple[Any, ...]]


@asynccontextmanager
async def sessions(url: str, count: int) -> AsyncIterator[list[Session]]:
    async with AsyncExitStack() as stacked:
        yield [
            await stacked.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))
            for _ in range(count)
        ]


@pytest.fixture(scope="module")
async def migrated(stores: Stores) -> AsyncIterator[str]:
    """The name of a database with profile's migrations, to be copied."""
    url = await databases.create(stores, "doctor")
    await migrate("profile", {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    yield name_of(url)
    await drop(stores, name_of(url))


@pytest.fixture
async def database(stores: Stores, migrated: str) -> AsyncIterator[Database]:
    """A database of profile's, migrated, that a test may do anything to."""
    name = f"doctor_{uuid.uuid4().hex[:8]}"
    await databases.run(stores.postgres_url("postgres"), f"CREATE DATABASE {name} TEMPLATE {migrated}")
    yield Database("profile", "profile", stores.postgres_url(name))
    await drop(stores, name)


@pytest.fixture
async def empty(stores: Stores) -> AsyncIterator[Database]:
    """A database with nothing in it, of no service."""
    url = await databases.create(stores, "doctor")
    yield Database("empty", "", url)
    await drop(stores, name_of(url))


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


async def drop(stores: Stores, name: str) -> None:
    await databases.run(stores.postgres_url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_database_that_is_well(database: Database) -> None:
    await databases.run(database.url, "CREATE EXTENSION pg_stat_statements")
    report = await looked(database)
    assert problems(report) == []
    assert len(found(report, "migrations", Severity.OK)) == 1
    assert len(found(report, "indexes", Severity.OK)) == 1
    assert len(found(report, "statements", Severity.OK)) == 1


async def test_it_cannot_write_and_waits_for_nobody_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUERIES, "write", replace(QUERIES["server"], sql="CREATE TABLE written ()"))
    monkeypatch.setitem(QUERIES, "wait", replace(QUERIES["server"], sql="SELECT pg_sleep(60)"))
    async with session(database.url) as asked:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await asked.rows("write")
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await asked.rows("wait")
        assert time.monotonic() - began < 5
        # A question that failed is in nobody's way.
        assert await asked.rows("server")


async def test_a_user_who_sees_only_its_own_sessions_is_told_so(database: Database) -> None:
    name = f"weak_{uuid.uuid4().hex[:8]}"
    await databases.run(database.url, f"CREATE ROLE {name} LOGIN")
    try:
        report = await looked(replace(database, url=database.url.replace("savepoint@", f"{name}@")))
        [rights] = found(report, "rights", Severity.NOTICE)
        assert "pg_monitor" in rights.do
        [migrations] = found(report, "schema", Severity.NOTICE)
        assert "schema_migrations" in migrations.what
        assert problems(report) == []
    finally:
        await databases.run(database.url, f"DROP ROLE {name}")


async def test_a_missing_migration(database: Database) -> None:
    await databases.run(database.url, "DELETE FROM schema_migrations WHERE version = '0007'")
    [finding] = found(await looked(database), "migrations")
    assert "1 of 7 are missing: 0007" in finding.what
    assert "services.profile migrate" in finding.do


async def test_a_database_that_is_newer_than_the_code(database: Database) -> None:
    await databases.run(database.url, "INSERT INTO schema_migrations VALUES ('9999')")
    [finding] = found(await looked(database), "migrations")
    assert "9999" in finding.what


async def test_indexes_that_are_missing_or_invalid_or_unused(database: Database) -> None:
    await databases.run(database.url, "DROP INDEX players_mmr_idx")
    await databases.run(database.url, "ALTER TABLE wallet_ledger DROP CONSTRAINT wallet_ledger_pkey")
    await databases.run(database.url, "INSERT INTO players (username, email) VALUES ('ann', 'a@b.c'), ('bob', 'b@b.c')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        await databases.run(database.url, "CREATE UNIQUE INDEX CONCURRENTLY players_broken ON players (mmr)")
    report = await looked(database, index_unused_after_s=0, index_unused_bytes=0)
    missing, invalid = found(report, "indexes")
    assert missing.figures["missing"] == "players_mmr_idx,wallet_ledger_pkey"
    assert "CONCURRENTLY" in missing.do
    assert invalid.figures["invalid"] == "players_broken"
    [unused] = found(report, "indexes", Severity.NOTICE)
    assert "players_level_idx" in str(unused.figures["unused"])
    assert "_key" not in str(unused.figures["unused"])
    assert found(await looked(database), "indexes", Severity.NOTICE) == []


async def test_who_waits_for_whom(database: Database) -> None:
    await databases.run(database.url, "INSERT INTO players (username, email) VALUES ('ann', 'a@b.c')")
    async with sessions(database.url, 3) as [holder, *waiters]:
        await holder.execute("BEGIN")
        await holder.execute("UPDATE players SET mmr = 1")
        waiting = [asyncio.create_task(each.execute("UPDATE players SET mmr = 2")) for each in waiters]
        await asyncio.sleep(0.5)
        report = await looked(database, lock_wait_s=0.2)
        await holder.execute("ROLLBACK")
        await asyncio.gather(*waiting)
        [finding] = found(report, "lock waits")
        assert finding.figures["blocker"] == holder.info.backend_pid
        assert finding.figures["waiters"] == 2
        assert "SET mmr = 2" in finding.what
        assert "idle in transaction" in finding.what
        assert f"pg_terminate_backend({holder.info.backend_pid})" in finding.do
    assert found(await looked(database, lock_wait_s=0.2), "lock waits") == []


async def test_transactions_that_last(database: Database) -> None:
    async with sessions(database.url, 2) as [idle, busy]:
        await idle.execute("BEGIN")
        await idle.execute("SELECT 1 FROM players")
        working = asyncio.create_task(busy.execute("SELECT pg_sleep(2)"))
        await asyncio.sleep(0.6)
        report = await looked(database, idle_in_transaction_s=0.5, transaction_notice_s=0.5)
        [finding] = found(report, "transactions")
        assert finding.figures["pid"] == idle.info.backend_pid
        [finding] = found(report, "transactions", Severity.NOTICE)
        assert finding.figures["pid"] == busy.info.backend_pid
        busy.cancel()
        with suppress(psycopg.errors.QueryCanceled):
            await working
        await idle.execute("ROLLBACK")


async def test_a_deadlock(database: Database) -> None:
    await databases.run(database.url, "INSERT INTO players (username, email) VALUES ('ann', 'a@b.c'), ('bob', 'b@b.c')")
    assert len(found(await looked(database), "deadlocks", Severity.OK)) == 1

    async def provoke() -> None:
        async with sessions(database.url, 2) as pair:
            for one, name in zip(pair, ("ann", "bob"), strict=True):
                await one.execute("SET deadlock_timeout = '20ms'")
                await one.execute("BEGIN")
                await one.execute("UPDATE players SET mmr = 1 WHERE username = %s", (name,))
            crossed = [
                one.execute("UPDATE players SET mmr = 1 WHERE username = %s", (name,))
                for one, name in zip(pair, ("bob", "ann"), strict=True)
            ]
            ends = await asyncio.gather(*crossed, return_exceptions=True)
            assert [type(end) for end in ends].count(psycopg.errors.DeadlockDetected) == 1
            for one in pair:
                await one.execute("ROLLBACK")

    await provoke()
    # A session tells the statistics when it ends.
    async with asyncio.timeout(5):
        while not (findings := found(await looked(database), "deadlocks", Severity.NOTICE)):
            await asyncio.sleep(0.1)
    assert findings[0].figures["deadlocks"] == 1
    assert "one order" in findings[0].do


async def test_slow_statements(empty: Database) -> None:
    [finding] = found(await looked(empty), "statements", Severity.NOTICE)
    assert "CREATE EXTENSION" in finding.do
    await databases.run(empty.url, "CREATE SCHEMA elsewhere; CREATE EXTENSION pg_stat_statements SCHEMA elsewhere")
    await databases.run(empty.url, "SELECT 'once', pg_sleep(0.12)")
    for _ in range(5):
        await databases.run(empty.url, "SELECT 'often', 'and always', pg_sleep(0.12)")
    report = await looked(empty, statement_problem_ms=110)
    [often] = found(report, "statements")
    assert often.figures["calls"] == 5
    assert "pg_sleep" in often.what
    [once] = found(report, "statements", Severity.NOTICE)
    assert once.figures["calls"] == 1


async def test_tables_that_are_read_as_a_whole(empty: Database) -> None:
    await databases.run(empty.url, "CREATE TABLE scores AS SELECT n FROM generate_series(1, 20000) n")
    async with sessions(empty.url, 1) as [session]:
        for _ in range(6):
            await session.execute("SELECT sum(n) FROM scores")

    async def seen() -> bool:
        return bool(found(await looked(empty, scans=5), "scans", Severity.NOTICE))

    await until(seen)
    [finding] = found(await looked(empty, scans=5), "scans", Severity.NOTICE)
    assert finding.figures["table"] == "scores"
    assert found(await looked(empty), "scans", Severity.NOTICE) == []


async def test_dead_rows_that_autovacuum_may_not_remove(empty: Database) -> None:
    await databases.run(
        empty.url,
        "CREATE TABLE bags (n int) WITH (autovacuum_enabled = off); INSERT INTO bags SELECT generate_series(1, 20000)",
    )
    await databases.run(empty.url, "UPDATE bags SET n = n + 1")

    async def seen() -> bool:
        return any(each.figures["dead"] == 20_000 for each in found(await looked(empty), "dead rows"))

    await until(seen)
    [finding] = found(await looked(empty), "dead rows")
    assert "autovacuum is off for it" in finding.what
    assert "VACUUM bags" in finding.do


class IllPostgres(Postgres):
    """A server that loses data, never cleans up, and takes few connections."""

    def command(self) -> Command:
        command = super().command()
        wrong = ("fsync=off", "synchronous_commit=off", "autovacuum=off", "max_connections=12", "wal_level=replica")
        return replace(command, argv=(*command.argv, *(part for each in wrong for part in ("-c", each))))


async def test_a_server_that_is_set_wrong_is_full_and_keeps_its_log(tmp_path: Path) -> None:
    async with alone(IllPostgres, tmp_path) as (part, _):
        target = Database("profile", "", part.url("profile"))
        await databases.run(target.url, "SELECT pg_create_physical_replication_slot('forgotten', true)")
        await databases.run(target.url, "CREATE TABLE log AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
        report = await looked(target, slot_problem_bytes=1024 * 1024)
        assert {each.figures["setting"] for each in found(report, "settings")} == {
            *("fsync", "synchronous_commit", "autovacuum")
        }
        [slot] = found(report, "replication")
        assert slot.figures["slot"] == "forgotten"
        assert isinstance(slot.figures["kept_bytes"], int)
        assert slot.figures["kept_bytes"] > 1024 * 1024
        assert "pg_drop_replication_slot('forgotten')" in slot.do
        assert found(report, "connections") == []

        async with sessions(target.url, 8):
            [full] = found(await looked(target), "connections")
            assert full.figures["used"] == 9
            assert full.figures["room"] == 9
        async with sessions(target.url, 12):
            # Not even the superuser's reserve is left.
            [refused] = found(await looked(target), "connections")
            assert "it takes no more" in refused.what


async def test_replicas_that_stand_still_and_a_second_primary(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    async with alone(Postgres, tmp_path / "one") as (primary, _):

        class Copy(Postgres):
            """A streaming replica of it."""

            async def prepare(self) -> None:
                self.prepare_to_run()
                self.data.mkdir(mode=0o700)
                shutil.chown(self.data, *_owner(primary.sockets))
                options = ("-h", str(primary.sockets), "-U", "savepoint", "-D", str(self.data), "-R", "-c", "fast")
                await run(self._command("pg_basebackup", *options), self.log, "copying the primary")

        async with alone(Copy, tmp_path / "two") as (copy, _):
            sockets = f"{primary.sockets},{copy.sockets}"
            both = databases_of("", f"postgresql://savepoint@/profile?host={sockets}")
            [_, copied] = [each.url for each in both]
            # As a manager does, for who reads there after a failover.
            await databases.run(copied, "SELECT pg_create_physical_replication_slot('of_the_other', true)")
            report = await looked(*both)
            assert found(report, "replication", Severity.NOTICE) == []
            assert problems(report) == []
            of_primary, of_copy = found(report, "replication", Severity.OK)
            assert "streaming" in of_primary.what
            assert "this is a replica" in of_copy.what

            await databases.run(copied, "SELECT pg_wal_replay_pause()")
            [paused] = found(await looked(*both), "replication")
            assert "pg_wal_replay_resume" in paused.do
            await databases.run(primary.url("profile"), "CREATE TABLE news AS SELECT generate_series(1, 1000) n")
            await asyncio.sleep(0.5)
            report = await looked(*both, lag_notice_s=0.3, lag_problem_s=0.4, lag_problem_bytes=1000)
            assert len(found(report, "replication")) == 2

            await databases.run(copied, "SELECT pg_wal_replay_resume()")
            await databases.run(copied, "SELECT pg_promote()")
            [second] = found(await looked(*both), "primaries")
            assert "stop all but one" in second.do


def _owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


async def test_a_pool_that_is_exhausted(database: Database, stores: Stores, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": database.url, "REDIS_URL": stores.cache_url, "CONNECTION_POOL_SIZE": "5"}
    async with running("profile", environment, tmp_path) as service:
        process = Process("profile", "profile", service.address, service.metrics_address)
        assert problems(await looked(process)) == []
        players = ProfileServiceStub(service.channel)
        async with sessions(database.url, 1) as [holder]:
            # As a migration by hand would. The services' own waits for rows never take all connections.
            await holder.execute("BEGIN")
            await holder.execute("LOCK TABLE players IN ACCESS EXCLUSIVE MODE")
            waiting = [
                asyncio.ensure_future(players.ListPlayers(profile_pb2.ListPlayersRequest(), timeout=15))
                for _ in range(CALLERS)
            ]
            await asyncio.sleep(1)
            report = await looked(process, database, idle_in_transaction_s=0.5)
            await holder.execute("ROLLBACK")
            await asyncio.gather(*waiting)
            blocker = holder.info.backend_pid
        [pool] = found(report, "pool")
        assert (pool.figures["active"], pool.figures["size"], pool.figures["waiting"]) == (5, 5, CALLERS - 5)
        assert "all 5 connections" in pool.what
        assert "CONNECTION_POOL_SIZE" in pool.do
        [lock] = found(report, "lock waits")
        assert (lock.figures["blocker"], lock.figures["waiters"]) == (blocker, 5)
        # Sizes cannot be measured meanwhile, and nobody waits for them.
        assert found(report, "sizes", Severity.NOTICE)
        assert problems(await looked(process)) == []
