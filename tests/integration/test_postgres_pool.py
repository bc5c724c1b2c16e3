"""The pool against what empties pools: callers that leave at any instant, a server that freezes, what gets lost."""

import asyncio
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from savepoint.profile.v1 import wallet_pb2
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local import embedded
from deploy.local.stores import Stores
from shared.contract.errors import DeadlineReached, SavepointError, StoreUnavailable
from shared.stores import postgres
from shared.stores.postgres import Postgres, Transaction
from shared.stores.postgres.queries import Query
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces
from shared.work import deadline
from tests.conftest import Players
from tests.integration.test_postgres import ONE, POOL_SIZE, SLEEP, Row, all_connections_are_free
from tests.integration.test_telemetry import value
from tests.support.crowd import crowd
from tests.support.frozen import frozen, processes
from tests.support.service import Service, migrate, running

# Longer for whoever looks into it: CROWD_SECONDS=300 pytest -k crowd --timeout 1000.
CROWD_S = float(os.environ.get("CROWD_SECONDS", "2"))


@pytest.fixture
async def small(profile_environment: dict[str, str], store_telemetry: StoreTelemetry) -> AsyncIterator[Postgres]:
    url = profile_environment["DATABASE_URL"]
    async with postgres.connect(url, POOL_SIZE, 10, store_telemetry) as connected:
        yield connected


@pytest.fixture(scope="module")
async def own_stores(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    """Stores of these tests' own, which they may freeze."""
    async with embedded.stores(tmp_path_factory.mktemp("frozen")) as started:
        yield started


async def test_callers_that_leave_at_any_instant_leave_the_pool_whole(small: Postgres) -> None:
    until = time.monotonic() + 2
    ends: Counter[str] = Counter()

    async def caller() -> None:
        while time.monotonic() < until:
            call = asyncio.create_task(small.fetch(SLEEP, {"seconds": random.uniform(0, 0.002)}, Row))
            _, waiting = await asyncio.wait([call], timeout=random.uniform(0, 0.03))
            if waiting:
                call.cancel()
            [result] = await asyncio.gather(call, return_exceptions=True)
            ends[type(result).__name__] += 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(caller() for _ in range(64)))
    assert set(ends) == {"list", "CancelledError"}, ends
    began = time.monotonic()
    await all_connections_are_free(small)
    assert await asyncio.gather(*(small.fetch(ONE, {}, Row) for _ in range(100))) == [[Row(1)]] * 100
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("callers", "deadline_s", "cancelling"), [(600, 0.4, 0.0), (64, 10.0, 1 / 3)], ids=["impatient", "cancelling"]
)
async def test_a_service_outlives_a_crowd(
    profile_environment: dict[str, str],
    tmp_path: Path,
    players: Players,
    callers: int,
    deadline_s: float,
    cancelling: float,
) -> None:
    player_ids = await players(20)
    environment = {**profile_environment, "CONNECTION_POOL_SIZE": "5", "LOG_LEVEL": "INFO"}
    async with running("profile", environment, tmp_path) as service:
        ends = await crowd(
            service.address,
            player_ids,
            callers=callers,
            seconds=CROWD_S,
            deadline_s=deadline_s,
            cancelling=cancelling,
        )
        assert not ends.keys() - {"OK", "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, ends
        began = time.monotonic()
        stub = WalletServiceStub(service.channel)
        requests = [wallet_pb2.GetWalletRequest(player_id=random.choice(player_ids)) for _ in range(200)]
        await asyncio.gather(*(stub.GetWallet(request, timeout=2) for request in requests))
        assert time.monotonic() - began < 2
        assert await service.serving()
        assert value(await service.scrape(), "db_connections_lost_total", store="postgresql") == 0


async def until_health_is(service: Service, serving: bool, within_s: float) -> float:
    """Seconds until health says so."""
    began = time.monotonic()
    while await service.serving() != serving:
        assert time.monotonic() - began < within_s, f"serving is not {serving} after {within_s} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_health_follows_a_database_that_freezes_and_thaws(own_stores: Stores, tmp_path: Path, busy: bool) -> None:
    environment = {
        "DATABASE_URL": own_stores.postgres_url("profile"),
        "REDIS_URL": own_stores.cache_url,
        "CONNECTION_POOL_SIZE": "5",
    }
    await migrate("profile", environment)
    async with running("profile", environment, tmp_path) as service:
        load = asyncio.create_task(
            crowd(service.address, [str(uuid.uuid4())], callers=16 if busy else 0, seconds=5, deadline_s=10)
        )
        await asyncio.sleep(0.7)
        with frozen(processes(own_stores.postgres.data)):
            await until_health_is(service, False, within_s=5)
        await until_health_is(service, True, within_s=2.5)
        await load


@dataclass(frozen=True)
class Left:
    value: float


@pytest.fixture
async def own_database(own_stores: Stores) -> AsyncIterator[tuple[Postgres, Metrics]]:
    """A database that may be frozen, over a pool that may be robbed, and what is measured of it."""
    metrics = Metrics()
    telemetry = StoreTelemetry("tests", metrics, Traces("tests", ""), slow_query_ms=500)
    async with postgres.connect(own_stores.postgres_url("inventory"), POOL_SIZE, 10, telemetry) as connected:
        yield connected, metrics
    metrics.close()


def lost(metrics: Metrics) -> float | None:
    return metrics._registry.get_sample_value("db_connections_lost_total", {"store": "postgresql"})


class Odd(BaseException):
    """What no holder expects."""


async def test_whatever_work_raises_reaches_its_caller(small: Postgres) -> None:
    async def work(transaction: Transaction) -> None:
        raise Odd

    async with asyncio.timeout(5):
        for _ in range(2 * POOL_SIZE):
            with pytest.raises(Odd):
                await small.transaction(work, repeatable=False)
    await all_connections_are_free(small)


async def test_the_calls_deadline_is_told_in_the_servers_time(small: Postgres) -> None:
    left = Query(
        "left", "select", "none", "SELECT extract(epoch FROM %(not_after)s - clock_timestamp())::float8 AS value"
    )

    async def call() -> float:
        deadline.start(5)
        await asyncio.sleep(0.5)
        return (await small.fetch(left, {}, Left))[0].value

    assert 4 < await asyncio.create_task(call()) <= 4.52


async def test_a_statement_that_a_frozen_server_begins_too_late_does_nothing(
    own_stores: Stores, own_database: tuple[Postgres, Metrics]
) -> None:
    database, _ = own_database
    table = f"scratch_{uuid.uuid4().hex}"
    make = Query("make", "insert", "scratch", f"CREATE TABLE {table} (value int)")
    guarded = Query(
        "guarded", "insert", table, f"INSERT INTO {table} SELECT 1 WHERE clock_timestamp() <= %(not_after)s"
    )
    rows = Query("rows", "select", table, f"SELECT value FROM {table} ORDER BY value")
    await database.execute(make, {}, repeatable=False)
    both = asyncio.Barrier(POOL_SIZE)

    async def warm(transaction: Transaction) -> None:
        await transaction.execute(guarded, {})
        await both.wait()

    # Each connection has compared the clocks: so what the server finds when it thaws is the statement itself.
    await asyncio.gather(*(database.transaction(warm, repeatable=False) for _ in range(POOL_SIZE)))
    assert await database.fetch(rows, {}, Row) == [Row(1)] * POOL_SIZE, "in time it takes effect"

    async def call() -> int:
        deadline.start(0.3)
        return await database.execute(guarded, {}, repeatable=True)

    # Beside it one that nobody cancels shows that the server, once it thaws, does what it was sent while it was frozen.
    async with await psycopg.AsyncConnection.connect(own_stores.postgres_url("inventory"), autocommit=True) as other:
        with frozen(processes(own_stores.postgres.data)):
            unguarded = asyncio.create_task(other.execute(f"INSERT INTO {table} SELECT 2"))
            with pytest.raises(DeadlineReached):
                await asyncio.create_task(call())
            await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            await unguarded
    await asyncio.sleep(0.3)
    assert await database.fetch(rows, {}, Row) == [Row(1)] * POOL_SIZE + [Row(2)]


async def test_nothing_is_begun_and_nothing_committed_after_the_deadline(small: Postgres, database: Postgres) -> None:
    table = f"scratch_{uuid.uuid4().hex}"
    make = Query("make", "insert", "scratch", f"CREATE TABLE {table} (value int)")
    insert = Query("insert", "insert", table, f"INSERT INTO {table} SELECT 1")
    rows = Query("rows", "select", table, f"SELECT value FROM {table}")
    await database.execute(make, {}, repeatable=False)

    async def too_late(transaction: Transaction) -> None:
        await transaction.execute(insert, {})
        await asyncio.sleep(0.3)

    async def call(work: Callable[[], Awaitable[object]]) -> None:
        deadline.start(0.2)
        with pytest.raises(DeadlineReached):
            await work()
        with pytest.raises(DeadlineReached):
            await small.execute(insert, {}, repeatable=False)

    await asyncio.create_task(call(lambda: small.transaction(too_late, repeatable=False)))
    await asyncio.sleep(0.3)
    assert await database.fetch(rows, {}, Row) == []
    await all_connections_are_free(small)


@pytest.mark.parametrize("count", [2, POOL_SIZE])
async def test_lost_connections_are_noticed_counted_and_replaced(
    own_database: tuple[Postgres, Metrics], count: int
) -> None:
    database, metrics = own_database
    pool = database._connections._pool
    stolen = [await pool.getconn() for _ in range(count)]
    watch = asyncio.create_task(database.watch_forever(mend_after_s=0.3))
    async with asyncio.timeout(5):
        while not lost(metrics):
            await asyncio.sleep(0.05)
    assert lost(metrics) == count
    await all_connections_are_free(database)
    # A pool that is whole is left alone.
    await asyncio.sleep(1)
    assert lost(metrics) == count
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    for connection in stolen:
        await connection.close()


async def test_connections_that_are_missing_because_the_server_is_frozen_are_not_lost(
    own_stores: Stores, own_database: tuple[Postgres, Metrics]
) -> None:
    database, metrics = own_database
    watch = asyncio.create_task(database.watch_forever(mend_after_s=1.5))

    async def call() -> None:
        deadline.start(0.5)
        with pytest.raises(SavepointError):
            await database.fetch(ONE, {}, Row)

    with frozen(processes(own_stores.postgres.data)):
        await asyncio.gather(*(asyncio.create_task(call()) for _ in range(2 * POOL_SIZE)))
        # Longer than the watch waits, and than the pool takes to connect anew once it can.
        await asyncio.sleep(2)
    await all_connections_are_free(database)
    assert not watch.done()
    assert not lost(metrics)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def test_a_pool_that_cannot_be_made_whole_though_the_database_answers_ends_the_watch(
    own_stores: Stores, own_database: tuple[Postgres, Metrics], store_telemetry: StoreTelemetry
) -> None:
    await own_database[0].execute(
        Query("role", "insert", "none", f"CREATE ROLE limited LOGIN CONNECTION LIMIT {POOL_SIZE + 2}"),
        {},
        repeatable=False,
    )
    url = own_stores.postgres_url("inventory").replace("savepoint@", "limited@")
    async with postgres.connect(url, POOL_SIZE, 10, store_telemetry) as database:
        stolen = [await database._connections._pool.getconn() for _ in range(POOL_SIZE)]
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(20):
                await database.watch_forever(mend_after_s=0.6)
        for connection in stolen:
            await connection.close()
