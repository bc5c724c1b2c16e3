"""Request records over the days: partitions that are made, answers that are found in them, and forgotten with them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import TypeAdapter
from redis.asyncio import Redis
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local.stores import Stores
from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from services.profile.players.sql_store import SqlPlayerStore
from services.profile.players.types import NewPlayer, Progress
from services.profile.wallets.sql_store import SqlWalletStore
from shared.contract.errors import NotFound, StoreUnavailable
from shared.stores import postgres
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.migrations import by_version
from shared.stores.postgres.queries import Query
from shared.stores.requests import records as request_records
from shared.stores.requests.kept import KeptAnswer
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import RequestRecords
from shared.stores.requests.refusal import Refusal
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from tests.support import databases
from tests.support.service import ROOT, Service, migrate

QUERIES = request_records.QUERIES.of(POSTGRESQL)

SERVICE = ROOT / "services" / "profile"
KEPT = KeptAnswer(TypeAdapter(list[int]))
PARTITIONS = """SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'request_answers'::regclass ORDER BY 1"""


class World:
    """A profile database of its own, and what works on it."""

    def __init__(self, url: str, database: Postgres, cache: PlayerCache) -> None:
        self.url, self.database, self.cache = url, database, cache
        self.requests = RequestRecords(database)
        self.players = SqlPlayerStore(database, self.requests, cache)
        self.wallets = SqlWalletStore(database, self.requests, cache)

    async def player(self) -> uuid.UUID:
        name = uuid.uuid4().hex
        return (
            await self.players.create_player(NewPlayer(uuid.uuid4(), name, f"{name}@example.com", "{}"), None)
        ).player_id

    async def column(self, sql: str) -> list[object]:
        return [row[0] for row in await databases.rows(self.url, sql)]

    async def run(self, sql: str) -> None:
        await databases.run(self.url, sql)

    async def replayed(self, key: RequestKey) -> list[int] | None:
        """What is answered to a request that would be refused, had it no record."""

        async def effect() -> list[int] | Refusal | None:
            raise NotFound("NO_RECORD", "there was none")

        try:
            return await self.requests.once(key, effect, KEPT)
        except NotFound:
            return None

    async def partition(self, day: datetime) -> None:
        """Makes the partition of a day that is over."""
        first, last = day.date(), (day + timedelta(days=1)).date()
        await self.run(
            f"CREATE TABLE request_answers_{first:%Y%m%d} PARTITION OF request_answers "
            f"FOR VALUES FROM ('{first} 00:00+00') TO ('{last} 00:00+00')"
        )

    async def keep(self, key: RequestKey, moment: datetime, *, whole: bool = False) -> None:
        """Records an answer as of a moment; `whole` as 0.1 did."""
        if whole:
            await self.run(
                "INSERT INTO requests (request_id, method, fingerprint, answer, created_at)"
                f" VALUES ('{key.request_id}', '{key.method}', '{key.fingerprint.decode()}', '[7]', '{moment}')"
            )
            return
        await self.run(
            f"""WITH i AS (INSERT INTO requests (request_id, created_at) VALUES ('{key.request_id}', '{moment}'))
                INSERT INTO request_answers (request_id, created_at, version, method, fingerprint, answer)
                VALUES ('{key.request_id}', '{moment}', 1, '{key.method}', '{key.fingerprint.decode()}', '[7]')"""
        )


@pytest.fixture
async def world(
    stores: Stores, store_telemetry: StoreTelemetry, cache_server: Valkey, metrics: Metrics
) -> AsyncIterator[World]:
    url = await databases.create(stores, "records")
    await migrate("profile", {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    async with postgres.connect(url, 8, 10, store_telemetry) as database:
        made = World(url, database, PlayerCache(cache_server, 3600, metrics.cache(f"records {uuid.uuid4()}"), encoded))
        yield made
        await made.requests.close()
        await made.players.close()


def key() -> RequestKey:
    return RequestKey(uuid.uuid4(), "test", b"test")


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def test_replicas_that_start_together_make_each_partition_once(world: World) -> None:
    made = await asyncio.gather(*(RequestRecords(world.database).make_partitions() for _ in range(8)))
    assert sum(made) == 8
    days = [today() + timedelta(days=number) for number in range(8)]
    expected = [*(f"request_answers_{day:%Y%m%d}" for day in days), "request_answers_default"]
    assert await world.column(PARTITIONS) == expected
    player_id = await world.player()
    await world.wallets.adjust_coins(player_id, 5, "test", "", key())
    assert await world.column("SELECT tableoid::regclass::text FROM request_answers") == expected[:1]
    # Bounds are those of days in UTC, in whichever zone a session is.
    assert await world.column("SELECT count(*) FROM request_answers_default") == [0]


async def test_a_service_whose_user_may_not_change_tables_makes_and_drops_partitions(
    world: World, store_telemetry: StoreTelemetry
) -> None:
    old = today() - timedelta(days=30)
    await world.partition(old)
    user = f"only_rows_{uuid.uuid4().hex[:8]}"
    await world.run(
        f"""CREATE ROLE {user} LOGIN PASSWORD 'rows';
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}"""
    )
    url = make_conninfo(world.url, user=user, password="rows")
    async with postgres.connect(url, 5, 10, store_telemetry) as database:
        requests = RequestRecords(database)
        await requests.prepare()
        await requests.forget_old()
    days = [today() + timedelta(days=number) for number in range(8)]
    expected = [*(f"request_answers_{day:%Y%m%d}" for day in days), "request_answers_default"]
    assert await world.column(PARTITIONS) == expected


async def test_what_was_answered_is_known_after_a_way_back_to_0_1(world: World) -> None:
    await world.requests.make_partitions()
    player_id, same = await world.player(), key()
    await world.wallets.adjust_coins(player_id, 5, "test", "", same)
    files = [file for version, file in by_version(SERVICE, POSTGRESQL).items() if version >= "0004"]
    for file in reversed(files):
        await world.run(file.read_text().partition("-- migrate:down")[2])
    kept = "SELECT (answer -> 'wallet' ->> 'coins')::int FROM requests WHERE (method, fingerprint) = ('test', 'test')"
    assert await world.column(kept) == [5]
    for file in files:
        await world.run(file.read_text().partition("-- migrate:down")[0])
    assert (await world.wallets.adjust_coins(player_id, 5, "test", "", same)).wallet.coins == 5
    assert (await world.wallets.get_wallet(player_id)).coins == 5


async def test_a_service_that_starts_makes_today_s_partition(world: World) -> None:
    await world.requests.prepare()
    await world.wallets.adjust_coins(await world.player(), 5, "test", "", key())
    found = await world.column("SELECT tableoid::regclass::text FROM request_answers")
    assert found == [f"request_answers_{today():%Y%m%d}"]


async def test_without_partitions_answers_are_kept_all_the_same(world: World) -> None:
    player_id, same = await world.player(), key()
    for _ in range(2):
        assert (await world.wallets.adjust_coins(player_id, 5, "test", "", same)).wallet.coins == 5
    # Today stays in the default partition, and the days to come get theirs.
    assert await world.requests.make_partitions() == 7
    assert (await world.wallets.adjust_coins(player_id, 5, "test", "", same)).wallet.coins == 5
    assert await world.column("SELECT tableoid::regclass::text FROM request_answers") == ["request_answers_default"]


async def test_what_is_old_enough_is_forgotten_by_whole_days(world: World) -> None:
    await world.requests.make_partitions()
    moments = {
        days: today() - timedelta(days=days) + timedelta(seconds=at)
        # The last moment of the last day that goes, and the first one of the first day that stays.
        for days, at in ((9, 3), (8, 86_399.9), (7, 0), (6, 3))
    }
    for days in (9, 8):
        await world.partition(moments[days])
    kept, whole = {days: key() for days in moments}, {days: key() for days in moments}
    for days, moment in moments.items():
        await world.keep(kept[days], moment)
        await world.keep(whole[days], moment, whole=True)
    assert [await world.replayed(kept[days]) for days in moments] == [[7]] * 4
    assert [await world.replayed(whole[days]) for days in moments] == [[7]] * 4

    await world.requests.forget_old()
    assert await world.column("SELECT count(*) FROM requests") == [4]
    assert not [name for name in await world.column(PARTITIONS) if str(name) < f"request_answers_{today():%Y%m%d}"]
    assert await world.column("SELECT count(*) FROM request_answers_default") == [2]
    for records in (kept, whole):
        # Forgotten: the same request is a new one. (It is refused here, and that is recorded.)
        assert [await world.replayed(records[days]) for days in moments] == [None, None, [7], [7]]

    await RequestRecords(world.database, kept_days=6).forget_old()
    assert [await world.replayed(kept[days]) for days in (7, 6)] == [None, [7]]


async def test_an_answer_is_read_by_the_version_that_it_was_kept_in(world: World) -> None:
    same = key()
    await world.keep(same, today())
    newer = KeptAnswer(TypeAdapter(list[int]), lambda answer: [*answer, 8])

    async def effect() -> list[int] | None:
        return None

    assert await world.requests.once(same, effect, newer) == [7, 8]


async def test_a_request_that_is_forgotten_takes_effect_anew(world: World) -> None:
    await world.requests.make_partitions()
    player_id, same = await world.player(), key()
    await world.wallets.adjust_coins(player_id, 5, "test", "", same)
    old = today() - timedelta(days=30)
    await world.partition(old)
    for table in ("requests", "request_answers"):
        await world.run(f"UPDATE {table} SET created_at = '{old}'")
    # Over the days it is the same request, until it is forgotten.
    assert (await world.wallets.adjust_coins(player_id, 5, "test", "", same)).wallet.coins == 5
    await world.requests.forget_old()
    for _ in range(2):
        assert (await world.wallets.adjust_coins(player_id, 5, "test", "", same)).wallet.coins == 10


async def test_what_is_old_in_the_default_partition_is_deleted_there(world: World) -> None:
    kept = {days: key() for days in (9, 7)}
    for days, one in kept.items():
        await world.keep(one, today() - timedelta(days=days))
    await world.requests.forget_old()
    assert await world.column("SELECT request_id FROM request_answers_default") == [kept[7].request_id]


async def test_an_answer_stays_as_long_as_its_id(world: World) -> None:
    # Another replica is still deleting the ids: an id alone would be taken for a request that came too late.
    old, same = today() - timedelta(days=30), key()
    await world.partition(old)
    await world.keep(same, old)
    drop = f"SELECT drop_request_partition('{today()}')"
    assert await world.column(drop) == [0]
    assert await world.replayed(same) == [7]
    await asyncio.gather(*(RequestRecords(world.database).forget_old() for _ in range(3)))
    assert f"request_answers_{old:%Y%m%d}" not in await world.column(PARTITIONS)


async def test_twins_on_both_sides_of_midnight_take_effect_once(world: World) -> None:
    await world.requests.make_partitions()
    player_id, same = await world.player(), key()
    yesterday = today() - timedelta(seconds=1)
    await world.partition(yesterday)
    answer = '{"wallet": {"player_id": "%s", "coins": 1, "held_coins": 0}, "entry": %s}'
    entry = (await world.wallets.adjust_coins(player_id, 1, "test", "", key())).entry
    kept = answer % (player_id, TypeAdapter(type(entry)).dump_json(entry).decode())
    async with await psycopg.AsyncConnection.connect(world.url) as twin:
        # It has recorded its outcome yesterday, and not committed yet.
        await twin.execute(
            "INSERT INTO requests (request_id, created_at) VALUES (%s, %s)", (same.request_id, yesterday)
        )
        await twin.execute(
            "INSERT INTO request_answers (request_id, created_at, version, method, fingerprint, answer)"
            " VALUES (%s, %s, 1, %s, %s, %s::jsonb)",
            (same.request_id, yesterday, same.method, same.fingerprint, kept),
        )
        call = asyncio.create_task(world.wallets.adjust_coins(player_id, 5, "test", "", same))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            while await world.column(waiting) != [1]:
                await asyncio.sleep(0.02)
    assert (await call).wallet.coins == 1
    assert (await world.wallets.get_wallet(player_id)).coins == 1


async def test_twins_of_one_microsecond_take_effect_once(world: World) -> None:
    await world.requests.make_partitions()
    player_id, same = await world.player(), key()
    changes = [Progress(player_id, 1, 1)]
    # Two statements rarely begin in the same microsecond. So here, all do.
    now = datetime.now(UTC)
    for table in ("requests", "request_answers"):
        await world.run(f"ALTER TABLE {table} ALTER COLUMN created_at SET DEFAULT '{now}'")
    adjusted = await asyncio.gather(*(world.wallets.adjust_coins(player_id, 5, "test", "", same) for _ in range(6)))
    assert [one.wallet.coins for one in adjusted] == [5] * 6
    same = key()
    # Of two replicas: the callers of one would share a statement.
    others = [SqlPlayerStore(world.database, RequestRecords(world.database), world.cache) for _ in range(6)]
    progressed = await asyncio.gather(*(other.batch_apply_progress(changes, same) for other in others))
    assert [one.xp for [one] in progressed] == [1] * 6


async def test_a_record_that_cannot_be_looked_up_is_not_called_a_refusal(world: World) -> None:
    async def effect() -> list[int] | Refusal | None:
        return None

    # Whoever hears Overloaded, the player cache for one, takes it for certain that nothing was written. But the effect
    # left everything as it was because the request was done before, and maybe by this very call.
    sleep = Query("sleep", "select", "", "SELECT pg_sleep(2)")
    busy = [asyncio.create_task(world.database.execute(sleep, {}, repeatable=False)) for _ in range(8)]
    await asyncio.sleep(0.5)
    with deadline.within(0.5), pytest.raises(StoreUnavailable):
        await world.requests.once(key(), effect, KEPT)
    await asyncio.gather(*busy)


async def test_a_long_reader_delays_the_forgetting_and_not_the_calls(world: World) -> None:
    await world.requests.make_partitions()
    old = today() - timedelta(days=30)
    await world.partition(old)
    player_id = await world.player()
    async with await psycopg.AsyncConnection.connect(world.url) as reader:
        await reader.execute("SELECT count(*) FROM request_answers")
        with pytest.raises(StoreUnavailable):
            await world.requests.forget_old()
        async with asyncio.timeout(5):
            await world.wallets.adjust_coins(player_id, 5, "test", "", key())
    await world.requests.forget_old()
    assert f"request_answers_{old:%Y%m%d}" not in await world.column(PARTITIONS)


async def test_a_replay_looks_into_the_partition_of_its_day_only(world: World) -> None:
    await world.requests.make_partitions()
    player_id, same = await world.player(), key()
    await world.wallets.adjust_coins(player_id, 5, "test", "", same)
    async with await psycopg.AsyncConnection.connect(world.url) as connection:
        explain = f"EXPLAIN (ANALYZE, COSTS OFF) {QUERIES['find_requests'].sql}"
        rows = await (await connection.execute(explain.encode(), {"request_ids": [same.request_id]})).fetchall()
    plan = "\n".join(row[0] for row in rows)
    # Seven days to come and the default partition.
    assert plan.count("never executed") == 8, plan
    assert "Seq Scan on request_answers" not in plan, plan


async def test_a_board_keeps_an_answer_for_an_hour(leaderboard: Service, stores: Stores) -> None:
    stub, board, request_id = LeaderboardServiceStub(leaderboard.channel), f"board-{uuid.uuid4()}", str(uuid.uuid4())
    made = leaderboard_pb2.Leaderboard(leaderboard_id=board)
    await stub.CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made))
    submission = leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id="a", score=1)
    request = leaderboard_pb2.SubmitScoreRequest(request_id=request_id, submission=submission)
    await stub.SubmitScore(request)
    async with Redis.from_url(stores.ranks_url) as redis:
        assert 3500 < await redis.ttl(f"board:{{{board}}}:request:{request_id}") <= 3600
