"""The doctor finds each illness, made on a real engine, and none where all is well."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from aiobotocore.session import get_session
from redis.asyncio import Redis
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.doctor.examine import examine
from deploy.doctor.finding import Finding, Severity
from deploy.doctor.limits import LIMITS
from deploy.doctor.named import WITH_TABLES
from deploy.doctor.postgres import defined
from deploy.doctor.postgres.session import QUERIES, session
from deploy.doctor.report import Report
from deploy.doctor.targets import (
    Database,
    DynamoTable,
    Gateway,
    MongoServer,
    Process,
    Targets,
    ValkeyServer,
    boards,
    cache,
    dynamo_table,
)
from deploy.doctor.targets import (
    databases as databases_of,
)
from deploy.local import ports
from deploy.local.dynamodb import Moto
from deploy.local.embedded import stack
from deploy.local.layout import Layout
from deploy.local.part import Command
from deploy.local.postgres import Postgres
from deploy.local.process import run
from deploy.local.stores import Stores
from deploy.local.valkey import Cache, Ranks
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.migrations import by_version
from tests.support import databases
from tests.support.parts import alone
from tests.support.service import ROOT, migrate, running

WINDOW_S = 0.2
CALLERS = 12

Session = psycopg.AsyncConnection[tuple[Any, ...]]


async def looked(
    *targets: Database | ValkeyServer | MongoServer | DynamoTable | Process,
    gateway: Gateway | None = None,
    **limits: Any,
) -> Report:
    """What the doctor finds about these, with some of its limits set otherwise."""
    given = Targets(
        "what a test made",
        tuple(each for each in targets if isinstance(each, Database)),
        tuple(each for each in targets if isinstance(each, ValkeyServer)),
        tuple(each for each in targets if isinstance(each, MongoServer)),
        tuple(each for each in targets if isinstance(each, DynamoTable)),
        tuple(each for each in targets if isinstance(each, Process)),
        gateway,
    )
    return await examine(given, WINDOW_S, replace(LIMITS, **limits))


def found(report: Report, check: str, severity: Severity = Severity.PROBLEM) -> list[Finding]:
    """The findings of a check that are so bad. Each says why it matters and what to do."""
    findings = [
        each for part in report.parts for each in part.findings if (each.check, each.severity) == (check, severity)
    ]
    assert severity is Severity.OK or all(each.why and each.do for each in findings)
    return findings


def problems(report: Report) -> list[Finding]:
    return [each for part in report.parts for each in part.findings if each.severity is Severity.PROBLEM]


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def doctor(*options: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str, str]:
    """The command as an operator runs it: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.doctor", "--watch-s", str(WINDOW_S), *options),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


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


# --- all is well


async def test_a_stack_that_is_well_has_no_problem_until_a_service_freezes(tmp_path: Path) -> None:
    async with stack(tmp_path) as running_stack:
        data = str(tmp_path)
        code, output, errors = await doctor("--json", SAVEPOINT_DATA=data)
        report = json.loads(output)
        bad = [each for part in report["parts"] for each in part["findings"] if each["severity"] == "problem"]
        assert (code, bad, errors, report["well"]) == (0, [], "", True)
        parts = {part["part"] for part in report["parts"]}
        assert parts >= {"database profile", "Valkey cache", "Valkey boards", "service leaderboard", "gateway"}

        code, output, errors = await doctor(SAVEPOINT_DATA=data, COLUMNS="80")
        assert (code, errors) == (0, "")
        assert "No problem" in output.splitlines()[-1] + output.splitlines()[-2]
        assert "\x1b" not in output
        assert max(map(len, output.splitlines())) <= 80

        os.kill(running_stack.pid("leaderboard"), signal.SIGSTOP)
        try:
            # The gateway asks for its health once or twice, a second each.
            await asyncio.sleep(3)
            code, output, errors = await doctor("--json", SAVEPOINT_DATA=data)
        finally:
            os.kill(running_stack.pid("leaderboard"), signal.SIGCONT)
        ill = {
            (part["part"], each["check"])
            for part in json.loads(output)["parts"]
            for each in part["findings"]
            if each["severity"] == "problem"
        }
        assert (code, errors) == (1, "")
        assert ill >= {("service leaderboard", "health"), ("service leaderboard", "metrics"), ("gateway", "clusters")}
        assert not [part for part, _ in ill if "profile" in part or "Valkey" in part]


async def test_nothing_to_look_at_is_said_with_what_to_do(tmp_path: Path) -> None:
    code, output, errors = await doctor(SAVEPOINT_DATA=str(tmp_path))
    assert (code, output) == (2, "")
    assert "make up" in errors
    assert "--database" in errors
    code, _, errors = await doctor("--valkey", "ranks=redis://127.0.0.1", SAVEPOINT_DATA=str(tmp_path))
    assert code == 2
    assert "boards=" in errors


async def test_what_is_named_in_the_environment_is_looked_at_and_no_password_is_shown(
    database: Database, stores: Stores, tmp_path: Path
) -> None:
    url = database.url.replace("savepoint@", "savepoint:hidden@")
    code, output, errors = await doctor(
        SAVEPOINT_DATA=str(tmp_path), PROFILE_DATABASE_URL=url, CACHE_REDIS_URL=stores.cache_url
    )
    assert (code, errors) == (0, ""), output
    assert "database profile" in output
    assert "Valkey cache" in output
    assert "hidden" not in output


async def test_it_runs_with_what_its_image_has(stores: Stores, tmp_path: Path) -> None:
    for folder in ("shared", "services", "deploy/doctor"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "deploy" / "__init__.py", tmp_path / "deploy")
    code, output, errors = await doctor(cwd=tmp_path, CACHE_REDIS_URL=stores.cache_url)
    assert (code, errors) == (0, ""), output
    code, _, errors = await doctor(cwd=tmp_path)
    assert code == 2
    assert "nothing else is named" in errors


@pytest.mark.parametrize("service", WITH_TABLES)
async def test_the_indexes_that_migrations_define_are_those_that_they_make(stores: Stores, service: str) -> None:
    url = await databases.create(stores, "doctor")
    await migrate(service, {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    made = await databases.rows(
        url,
        "SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
        " AND NOT EXISTS (SELECT FROM pg_class WHERE oid = tablename::regclass AND relispartition)",
    )
    versions = by_version(ROOT / "services" / service, POSTGRESQL)
    assert defined.indexes(versions[version] for version in sorted(versions)) == {
        str(name): str(table) for name, table in made
    }
    assert len(made) > 5


# --- a store that does not answer


async def test_what_does_not_answer_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    [port] = ports.free(1)
    nobody = f"127.0.0.1:{port}"
    report = await looked(
        Database("profile", "profile", f"postgresql://savepoint@{nobody}/profile"),
        Database("inventory", "inventory", f"postgresql://savepoint@/inventory?host={tmp_path}"),
        cache(f"redis://{nobody}/0"),
        boards(f"unix://{tmp_path}/none.sock"),
        Process("profile", "profile", nobody, nobody),
        gateway=Gateway(nobody, nobody),
    )
    assert len(found(report, "connection")) == 4
    assert len(found(report, "health")) == 2
    assert len(found(report, "metrics")) == 2


async def test_a_store_that_is_frozen_is_a_problem_within_seconds(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            [finding] = problems(await looked(boards(part.url)))
            assert (finding.check, time.monotonic() - began < 8) == ("connection", True)
        finally:
            os.kill(pid, signal.SIGCONT)


# --- PostgreSQL


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
                self.sockets.mkdir(mode=0o700)
                shutil.chown(self.sockets, *_owner(primary.sockets))
                self._step_down()
                self.data.mkdir(mode=0o700)
                shutil.chown(self.data, *_owner(primary.sockets))
                options = ("-h", str(primary.sockets), "-U", "savepoint", "-D", str(self.data), "-R", "-c", "fast")
                await run(self._command("pg_basebackup", *options), self.log, "copying the primary")

        async with alone(Copy, tmp_path / "two") as (copy, _):
            sockets = f"{primary.sockets},{copy.sockets}"
            both = databases_of("", f"postgresql://savepoint@/profile?host={sockets}")
            [_, copied] = [each.url for each in both]
            report = await looked(*both)
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


# --- Valkey


class IllBoards(Ranks):
    """A store that keeps nothing and throws away what it has."""

    settings: ClassVar[dict[str, str]] = {"appendonly": "no", "maxmemory": "4mb", "maxmemory-policy": "allkeys-lru"}


class IllCache(Cache):
    """A cache that never makes room."""

    settings: ClassVar[dict[str, str]] = {"appendonly": "no", "maxmemory": "4mb", "maxmemory-policy": "noeviction"}


async def test_boards_that_may_be_lost(tmp_path: Path) -> None:
    async with alone(IllBoards, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.eval("for n = 1, 5000 do redis.call('SET', 'board' .. n, string.rep('x', 1000)) end", 0)
        report = await looked(boards(part.url))
        assert len(found(report, "append-only log")) == 1
        assert len(found(report, "policy")) == 1
        [evictions] = found(report, "evictions")
        assert evictions.figures["evicted"]
        assert found(report, "memory")


async def test_a_cache_that_cannot_make_room(tmp_path: Path) -> None:
    async with alone(IllCache, tmp_path) as (part, _):
        report = await looked(cache(part.url))
        [finding] = problems(report)
        assert finding.check == "policy"
        assert "volatile-lru" in finding.do


async def test_a_cache_that_is_too_small(tmp_path: Path) -> None:
    async with alone(Cache, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.config_set("maxmemory", "4mb")
        await client.set("forever", "x")
        stop = asyncio.Event()

        async def thrash() -> None:
            script = """for n = 1, 200 do
                local key = ARGV[1] .. ':' .. n
                redis.call('GET', key)
                redis.call('SET', key, string.rep('x', 1000), 'EX', 100)
            end"""
            for number in range(10_000):
                await client.eval(script, 0, str(number))
                if number > 40:
                    thrashing.set()
                if stop.is_set():
                    break

        thrashing = asyncio.Event()
        work = asyncio.create_task(thrash())
        await thrashing.wait()
        report = await looked(cache(part.url))
        stop.set()
        await work
        [evictions] = found(report, "evictions")
        assert "maxmemory" in evictions.do
        [hits] = found(report, "hits", Severity.NOTICE)
        assert hits.figures["hit_ratio"] == 0
        [lasting] = found(report, "lasting keys", Severity.NOTICE)
        assert lasting.figures["lasting"] == 1


async def test_what_holds_a_server_up(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        assert problems(await looked(boards(part.url))) == []
        await client.eval("local s = redis.call('TIME')[1] + 0; for n = 1, 3000000 do local x = n % 7 end; return s", 0)
        await client.zadd("board", {f"entry-{number}": number for number in range(2000)})
        report = await looked(boards(part.url), slow_command_problem_ms=10, big_key_bytes=10_000)
        [slow] = found(report, "slow commands")
        assert "eval" in slow.what.lower()
        [big] = found(report, "big keys", Severity.NOTICE)
        assert big.figures["key"] == "board"


async def test_connections_that_are_turned_away(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.config_set("maxclients", 3)
        held = [await asyncio.open_unix_connection(part.socket) for _ in range(4)]
        await asyncio.sleep(0.1)
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        [finding] = found(await looked(boards(part.url)), "clients", Severity.NOTICE)
        assert finding.figures["rejected"]


class Node(Ranks):
    """A Valkey on a TCP port too."""

    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        # A node of a cluster listens 10,000 above its port too.
        [self.port] = [port for port in ports.free(20) if port < 50_000][:1]
        self.tcp = f"127.0.0.1:{self.port}"

    def command(self) -> Command:
        command = super().command()
        tcp = ("--port", str(self.port), "--bind", "127.0.0.1")
        return replace(command, argv=(*command.argv, *tcp, *self.options))


class ClusterNode(Node):
    """One that belongs to a cluster, and has no slots yet."""

    options: ClassVar[tuple[str, ...]] = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "yes")


async def test_a_cluster_without_all_of_its_slots(tmp_path: Path) -> None:
    async with alone(ClusterNode, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        # Named twice, as two addresses that lead to the same cluster.
        named = boards(f"redis://{part.tcp},localhost:{part.port}")
        [finding] = found(await looked(named), "cluster")
        assert "0 of 16384 slots" in finding.what
        await client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]

        async def whole() -> bool:
            return bool(found(await looked(named), "cluster", Severity.OK))

        await until(whole)


async def test_a_sentinel_that_is_alone_and_misses_its_primary(tmp_path: Path) -> None:
    async with alone(Node, tmp_path / "primary") as (primary, pid):

        class Replica(Node):
            options = ("--replicaof", "127.0.0.1", str(primary.port), "--repl-timeout", "2")

        class Sentinel(Node):
            name = "sentinel"

            async def prepare(self) -> None:
                await super().prepare()
                watch = f"sentinel monitor savepoint 127.0.0.1 {primary.port} 2"
                down = "sentinel down-after-milliseconds savepoint 300"
                listen = f"port {self.port}\nunixsocket {self.socket}"
                (self.data / "sentinel.conf").write_text(f"{listen}\n{watch}\n{down}\n")

            def command(self) -> Command:
                whole = super().command()
                return replace(whole, argv=(whole.argv[0], str(self.data / "sentinel.conf"), "--sentinel"))

        async with (
            alone(Replica, tmp_path / "replica") as (replica, _),
            alone(Sentinel, tmp_path / "sentinel") as (sentinel, _),
        ):
            async with Redis.from_url(f"redis://{sentinel.tcp}") as client:
                await client.execute_command("ACL SETUSER", "default", "resetpass", ">a secret")  # type: ignore[no-untyped-call]
            [unknown] = problems(await looked(boards(f"redis://{sentinel.tcp}/0?primary=savepoint")))
            assert "Authentication" in unknown.what
            named = boards(f"redis://{sentinel.tcp}/0?primary=savepoint", "a secret")

            def of(report: Report, place: str) -> list[Finding]:
                return [each for part in report.parts for each in part.findings if part.address == place]

            async def alone_among_sentinels() -> bool:
                report = await looked(named)
                # Both servers are known, by the sentinel alone.
                return bool(of(report, primary.tcp) and of(report, replica.tcp)) and "NOQUORUM" in str(
                    found(report, "sentinel")
                )

            await until(alone_among_sentinels)
            os.kill(pid, signal.SIGSTOP)
            try:

                async def missed() -> bool:
                    report = await looked(named)
                    return "the primary does not answer" in str(found(report, "sentinel")) and bool(
                        found(report, "connection") and found(report, "replication")
                    )

                await until(missed, 20)
            finally:
                os.kill(pid, signal.SIGCONT)


# --- MongoDB


async def test_a_mongodb(tmp_path: Path) -> None:
    [port] = ports.free(1)
    url = f"mongodb://127.0.0.1:{port}/savepoint_gamelog"
    [finding] = problems(await looked(MongoServer("gamelog", url)))
    assert finding.check == "connection"
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str(tmp_path), "--log-level", "WARNING"),
    )
    try:

        async def up() -> bool:
            return not problems(await looked(MongoServer("gamelog", url)))

        await until(up, 40)
        report = await looked(MongoServer("gamelog", url))
        assert len(found(report, "version", Severity.OK)) == 1
        assert "savepoint_gamelog" in found(report, "sizes", Severity.OK)[0].what
    finally:
        server.terminate()
        await server.wait()


# --- DynamoDB


async def test_a_table_in_dynamodb(tmp_path: Path) -> None:
    [port] = ports.free(1)

    class Server(Moto):
        """A stand-in that any machine has: what a table is said to be is alike."""

        def __init__(self, layout: Layout) -> None:
            super().__init__(layout, port, "")

    async with alone(Server, tmp_path) as (part, _):
        table = dynamo_table("leaderboard", part.settings)
        [missing] = problems(await looked(table))
        assert "services.leaderboard migrate" in missing.do
        await migrate("leaderboard", part.settings)
        report = await looked(table)
        assert problems(report) == []
        assert "ACTIVE" in found(report, "table", Severity.OK)[0].what
        assert found(report, "expiry", Severity.OK)
        # Anybody may make a table by hand, and forget what the service's own way does.
        async with create_client(part.settings) as client:
            keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("p", "HASH"), ("s", "RANGE"))]
            await client.create_table(
                TableName="by-hand",
                KeySchema=keys,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")],
                ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            )
        report = await looked(replace(table, table="by-hand"))
        assert "time to live is off" in found(report, "expiry")[0].what
        assert "5 writes a second" in found(report, "capacity", Severity.NOTICE)[0].what
    [dead] = problems(await looked(table))
    assert dead.check == "connection"


def create_client(settings: Mapping[str, str]) -> Any:
    return get_session().create_client(
        "dynamodb",
        region_name=settings["AWS_REGION"],
        endpoint_url=settings["DYNAMODB_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
