"""The pool and the transaction wrapper, against what goes wrong in the field."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from shared.contract.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.stores import postgres
from shared.stores.postgres import Postgres, Transaction
from shared.stores.postgres.queries import Query
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline

POOL_SIZE = 5


@dataclass(frozen=True)
class Row:
    value: int


ONE = Query("one", "select", "none", "SELECT 1 AS value")
SLEEP = Query("sleep", "select", "none", "SELECT 1 AS value FROM pg_sleep(%(seconds)s)")
MINE = Query("mine", "select", "none", "SELECT pg_backend_pid() AS value")


@pytest.fixture
async def small(profile_environment: dict[str, str], store_telemetry: StoreTelemetry) -> AsyncIterator[Postgres]:
    url = profile_environment["DATABASE_URL"]
    async with postgres.connect(url, POOL_SIZE, 10, store_telemetry) as connected:
        yield connected


async def all_connections_are_free(database: Postgres) -> None:
    """As many at once as the pool holds, each held until all are there: a lost one would leave it waiting."""
    gate = asyncio.Barrier(POOL_SIZE)

    async def hold(transaction: Transaction) -> None:
        await transaction.fetch(ONE, {}, Row)
        await gate.wait()

    async with asyncio.timeout(5):
        await asyncio.gather(*(database.transaction(hold, repeatable=False) for _ in range(POOL_SIZE)))


async def test_a_call_that_is_given_up_gives_its_connection_back(small: Postgres) -> None:
    for _ in range(3):
        calls = [asyncio.create_task(small.fetch(SLEEP, {"seconds": 30}, Row)) for _ in range(POOL_SIZE)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await all_connections_are_free(small)


async def test_a_cancelled_transaction_is_rolled_back(small: Postgres, database: Postgres) -> None:
    table = f"scratch_{uuid.uuid4().hex}"
    make = Query("make", "insert", "scratch", f"CREATE TABLE {table} AS SELECT 1 AS value")
    count = Query(
        "count", "select", "scratch", f"SELECT count(*)::int AS value FROM pg_tables WHERE tablename = '{table}'"
    )

    async def work(transaction: Transaction) -> None:
        await transaction.execute(make, {})
        await transaction.fetch(SLEEP, {"seconds": 30}, Row)

    call = asyncio.create_task(small.transaction(work, repeatable=False))
    await asyncio.sleep(0.2)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await database.fetch(count, {}, Row) == [Row(0)]
    await all_connections_are_free(small)


async def test_an_exhausted_pool_says_overloaded_within_the_deadline(small: Postgres) -> None:
    holders = [asyncio.create_task(small.fetch(SLEEP, {"seconds": 3}, Row)) for _ in range(POOL_SIZE)]
    await asyncio.sleep(0.2)

    async def one_more() -> None:
        deadline.start(0.5)
        await small.fetch(ONE, {}, Row)

    with pytest.raises(Overloaded):
        await asyncio.wait_for(asyncio.create_task(one_more()), 1)
    assert [rows for holder in holders for rows in await holder] == [Row(1)] * POOL_SIZE


async def test_a_repeat_that_finds_no_room_does_not_say_that_nothing_was_done(small: Postgres) -> None:
    cut = Query("cut", "select", "none", "SELECT pg_terminate_backend(pg_backend_pid())::int AS value")
    busy: list[asyncio.Task[list[Row]]] = []

    async def cut_off() -> None:
        deadline.start(1)
        await small.fetch(cut, {}, Row)

    async def hold() -> None:
        # As soon as the broken connection is given up, all of the room is taken.
        while True:
            busy.append(asyncio.create_task(small.fetch(SLEEP, {"seconds": 2}, Row)))
            await asyncio.sleep(0.001)

    busy += [asyncio.create_task(small.fetch(SLEEP, {"seconds": 2}, Row)) for _ in range(POOL_SIZE - 1)]
    await asyncio.sleep(0.1)
    caller = asyncio.create_task(cut_off())
    await asyncio.sleep(0)
    holder = asyncio.create_task(hold())
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(caller, 3)
    holder.cancel()
    for task in busy:
        task.cancel()
    await asyncio.gather(holder, *busy, return_exceptions=True)


async def test_a_deadlock_is_repeated_as_a_whole(small: Postgres, database: Postgres) -> None:
    table = f"scratch_{uuid.uuid4().hex}"
    make = Query(
        "make", "insert", "scratch", f"CREATE TABLE {table} AS SELECT i AS id, 0 AS n FROM generate_series(1, 2) i"
    )
    add = Query("add", "update", "scratch", f"UPDATE {table} SET n = n + 1 WHERE id = %(id)s")
    total = Query("total", "select", "scratch", f"SELECT sum(n)::int AS value FROM {table}")
    await database.execute(make, {}, repeatable=False)
    both_hold_one, attempts = asyncio.Barrier(2), 0

    async def cross(first: int, second: int) -> None:
        nonlocal attempts
        met = False

        async def work(transaction: Transaction) -> None:
            nonlocal attempts, met
            attempts += 1
            await transaction.execute(add, {"id": first})
            if not met:
                met = True
                await both_hold_one.wait()
            await transaction.execute(add, {"id": second})

        await small.transaction(work, repeatable=False)

    async with asyncio.timeout(15):
        await asyncio.gather(cross(1, 2), cross(2, 1))
    assert attempts == 3
    assert await database.fetch(total, {}, Row) == [Row(4)]


async def test_connections_that_the_server_ended_are_replaced_unnoticed(small: Postgres, database: Postgres) -> None:
    end = Query("end", "select", "none", "SELECT pg_terminate_backend(%(pid)s)::int AS value")
    pids: set[int] = set()
    gate = asyncio.Barrier(POOL_SIZE)

    async def hold(transaction: Transaction) -> None:
        [row] = await transaction.fetch(MINE, {}, Row)
        pids.add(row.value)
        await gate.wait()

    await asyncio.gather(*(small.transaction(hold, repeatable=False) for _ in range(POOL_SIZE)))
    assert len(pids) == POOL_SIZE
    for pid in pids:
        await database.fetch(end, {"pid": pid}, Row)
    assert await asyncio.gather(*(small.fetch(ONE, {}, Row) for _ in range(20))) == [[Row(1)]] * 20
    await all_connections_are_free(small)


@pytest.mark.parametrize(("repeatable", "attempts"), [(False, 1), (True, 2)])
async def test_a_commit_whose_fate_is_unknown_is_repeated_only_where_that_does_no_harm(
    small: Postgres, database: Postgres, repeatable: bool, attempts: int
) -> None:
    end = Query("end", "select", "none", "SELECT pg_terminate_backend(%(pid)s)::int AS value")
    seen = 0

    async def work(transaction: Transaction) -> None:
        nonlocal seen
        seen += 1
        [row] = await transaction.fetch(MINE, {}, Row)
        if seen == 1:
            # The connection ends between the work and its commit.
            await database.fetch(end, {"pid": row.value}, Row)
            await asyncio.sleep(0.1)

    if repeatable:
        await small.transaction(work, repeatable=True)
    else:
        with pytest.raises(StoreUnavailable):
            await small.transaction(work, repeatable=False)
    assert seen == attempts


async def test_a_statement_ends_with_the_calls_deadline(small: Postgres) -> None:
    async def call() -> None:
        deadline.start(0.3)
        async with asyncio.timeout(deadline.remaining(30)):
            await small.fetch(SLEEP, {"seconds": 30}, Row)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.create_task(call()), 2)
    await all_connections_are_free(small)


async def test_a_statement_that_the_server_cuts_short_is_a_deadline(small: Postgres) -> None:
    short = Query("short", "select", "none", "SELECT length(set_config('statement_timeout', '100', true)) AS value")

    async def work(transaction: Transaction) -> None:
        await transaction.fetch(short, {}, Row)
        await transaction.fetch(SLEEP, {"seconds": 5}, Row)

    with pytest.raises(DeadlineReached):
        await small.transaction(work, repeatable=False)


async def test_a_database_that_is_not_there_is_said_to_be_so(store_telemetry: StoreTelemetry) -> None:
    with pytest.raises(StoreUnavailable):
        async with postgres.connect("postgresql://nobody@127.0.0.1:1/none", POOL_SIZE, 1, store_telemetry):
            pass
