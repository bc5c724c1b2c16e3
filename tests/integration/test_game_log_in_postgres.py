"""The game log in PostgreSQL: its partitions, its ids, and what callers hear when a part of their call went wrong."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from deploy.local.stores import Stores
from services.gamelog.events.sql_store import QUERIES, SqlEventStore
from services.gamelog.events.types import Event, NewEvent
from shared.contract.errors import StoreUnavailable
from shared.stores import postgres
from shared.stores.postgres.queries import Query
from shared.telemetry.store import StoreTelemetry
from tests.support.events import Log, Tail, append, event, every, ids, new_id
from tests.support.service import migrate, running


@pytest.fixture
async def environment(stores: Stores) -> dict[str, str]:
    """A database of its own."""
    name = f"gamelog_{new_id()[:8]}"
    async with await psycopg.AsyncConnection.connect(stores.postgres_url("gamelog"), autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
    made = {**stores.game_log().settings, "DATABASE_URL": stores.postgres_url(name)}
    await migrate("gamelog", made)
    return made


async def of_player(log: Log, player_id: str) -> list[pb.Event]:
    return await every(log, pb.QueryEventsRequest(filter=pb.EventFilter(player_id=player_id)))


async def test_an_event_that_is_still_there_is_known_when_its_retention_is_made_longer(
    environment: dict[str, str], tmp_path: Path
) -> None:
    player, now = new_id(), datetime.now(UTC)
    # Two days ago a retention of a day ends, and that day's partition goes when the day is over.
    end = now - timedelta(days=2)
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    due = event("due", player_id=player, time=midnight + (end - midnight) / 2)
    gone = event("gone", player_id=player, time=midnight - timedelta(hours=1))
    async with running("gamelog", environment, tmp_path) as service:
        await append(GameLogServiceStub(service.channel), due, gone)
    async with running("gamelog", {**environment, "RETENTION_DAYS": "1"}, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        async with asyncio.timeout(30):
            while gone in await of_player(log, player):
                await asyncio.sleep(0.1)
        async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
            async with asyncio.timeout(30):
                while (await connection.execute(b"SELECT FROM event_ids")).rowcount > 1:
                    await asyncio.sleep(0.1)
    async with running("gamelog", environment, tmp_path) as service:
        log = GameLogServiceStub(service.channel)
        bystander = event("bystander", player_id=player)
        again = await append(log, due, bystander)
        assert [(one.event_id, one.outcome) for one in again.not_stored] == [
            (due.event_id, pb.APPEND_OUTCOME_DUPLICATE)
        ]
        assert sorted(ids(await of_player(log, player))) == sorted(ids([due, bystander]))


async def test_a_call_with_more_new_days_than_its_time_allows_for_gets_on_each_time_it_is_sent(
    environment: dict[str, str], tmp_path: Path
) -> None:
    player, now = new_id(), datetime.now(UTC)
    events = [event("old", player_id=player, time=now - timedelta(days=n)) for n in range(600)]
    async with running("gamelog", {**environment, "RETENTION_DAYS": "3650"}, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        codes: list[Any] = []
        while codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) == len(codes) < 15:
            call = log.AppendEvents(pb.AppendEventsRequest(events=events), timeout=3)
            codes.append(await call.code())
        assert codes[-1] is grpc.StatusCode.OK
        answer = await call
        # One whose answer came too late may have stored them.
        assert answer.stored in (0, 600)
        assert all(one.outcome == pb.APPEND_OUTCOME_DUPLICATE for one in answer.not_stored)
        assert len(await of_player(log, player)) == 600


async def test_a_partition_that_another_process_makes_meanwhile_is_used(
    environment: dict[str, str], tmp_path: Path
) -> None:
    player, time_of = new_id(), datetime.now(UTC) - timedelta(days=20)
    one = event("a", player_id=player, time=time_of)
    async with (
        running("gamelog", environment, tmp_path) as service,
        await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as other,
    ):
        log: Log = GameLogServiceStub(service.channel)
        days: dict[str, Any] = {"days": f"{{{time_of.date().isoformat()}}}"}
        await other.execute(QUERIES["make_event_partitions"].sql.encode(), days)
        call = asyncio.ensure_future(append(log, one))
        # Longer than anybody waits for such a lock: the event is on its way into the default partition.
        await asyncio.sleep(1.5)
        await other.commit()
        assert (await call).stored == 1
        assert await of_player(log, player) == [one]


async def test_many_batches_of_many_new_days_at_once_are_stored(environment: dict[str, str], tmp_path: Path) -> None:
    player, now = new_id(), datetime.now(UTC)
    batches = [
        [event("old", player_id=player, time=now - timedelta(days=n % 29)) for n in range(290)] for _ in range(8)
    ]
    async with running("gamelog", environment, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        answers = await asyncio.gather(*(append(log, *batch) for batch in batches))
        assert sum(answer.stored for answer in answers) == 8 * 290
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
        assert (await connection.execute(b"SELECT FROM events_default")).rowcount == 0


async def test_overloaded_is_not_said_once_events_are_stored(
    environment: dict[str, str], store_telemetry: StoreTelemetry
) -> None:
    new = NewEvent(Event(new_id(), "a", None, None, datetime.now(UTC), "{}"), "0" * 32)
    slow = Query("slow", "select", "none", "SELECT pg_sleep(7)")
    async with postgres.connect(environment["DATABASE_URL"], 1, 5, store_telemetry) as database:
        store = SqlEventStore(database, 30)
        await store.append([new])
        # The same again: its statement has the only connection, then the slow one has it for too long, and what is
        # known of the event cannot be looked up any more.
        again = asyncio.ensure_future(store.append([new]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(database.fetch_rows(slow, {}), fails(again))
        await store.close()


async def fails(call: asyncio.Future[Any]) -> None:
    with pytest.raises(StoreUnavailable):
        await call


async def test_a_batch_is_in_time_as_a_whole_or_too_late_as_a_whole(
    environment: dict[str, str], store_telemetry: StoreTelemetry
) -> None:
    asked = ",".join(
        f'{{"place":{place},"event_id":"{new_id()}","fingerprint":"{new_id()}","time":"{datetime.now(UTC).isoformat()}",'
        '"type":"a","payload":{}}'
        for place in range(1000)
    )
    counts = set()
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        for microseconds in range(0, 60_000, 200):
            async with connection.transaction(force_rollback=True):
                now = (await (await connection.execute(b"SELECT clock_timestamp()")).fetchone() or (None,))[0]
                params = {"asked": f"[{asked}]", "not_after": now + timedelta(microseconds=microseconds)}
                cursor = await connection.execute(QUERIES["append_events"].sql.encode(), params)
                counts.add((await cursor.fetchone() or (None,))[0])

    assert counts <= {0, 1000}


async def test_the_log_stays_in_its_order_when_the_numbers_of_its_writes_get_another_digit(
    environment: dict[str, str], tmp_path: Path
) -> None:
    player = new_id()
    events = [event("a", player_id=player, n=n) for n in range(60)]
    async with running("gamelog", environment, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        async with Tail(log, player_id=player) as tail:
            begin = tail.token
        await until_before_another_digit(environment["DATABASE_URL"], 30)
        for one in events:
            await append(log, one)
        async with Tail(log, begin, player_id=player) as tail:
            assert ids(await tail.until(len(events))) == ids(events)


async def until_before_another_digit(url: str, left: int) -> None:
    """Uses up the server's transaction ids until so few are left before the next power of ten."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute(b"SELECT pg_current_xact_id()::text")).fetchone()
        assert row
        now = int(row[0])
        await connection.execute(b"CREATE TEMPORARY TABLE used (n integer)")
        # Each block that catches exceptions is a transaction of its own, as far as ids are concerned.
        loop = f"""DO $$ BEGIN FOR n IN 1..{10 ** len(row[0]) - now - left} LOOP
                   BEGIN INSERT INTO used VALUES (n); EXCEPTION WHEN raise_exception THEN NULL; END;
                   END LOOP; END $$"""
        await connection.execute(loop.encode())
