"""The player cache in one server: its entries, its loads, and what goes on while the server is away.

What it must do in every server is in tests/conformance/player_cache.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from redis.asyncio import Redis
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.local.stores import Stores
from services.profile.messages import encoded
from services.profile.player import Player, values
from services.profile.player_cache.cache import Loaded, PlayerCache, entry_key
from services.profile.player_cache.entry import EntryLife
from services.profile.player_cache.scripts import UNKNOWN_VERSION, CacheScripts, Fill, Look
from services.profile.players.sql_store import SqlPlayerStore
from shared.contract.errors import DeadlineReached, NotFound, Refused, SavepointError, StoreUnavailable
from shared.stores import valkey
from shared.stores.postgres import Postgres
from shared.stores.requests.records import RequestRecords
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.bounds import WRITER_MS
from tests import conftest
from tests.support.player_cache import QUERIES, Loads
from tests.support.service import running


@pytest.fixture
async def player_id(players: conftest.Players) -> str:
    return (await players(1))[0]


def states(looks: Sequence[Look]) -> list[bytes]:
    return [b"hit" if isinstance(look, bytes) else look[1] for look in looks]


async def test_a_slow_load_is_waited_for_by_all_readers_of_its_process(
    database: Postgres, cache_server: Valkey, player_id: str
) -> None:
    # Longer than readers of another process wait; they load by themselves then.
    cache, load = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded), Loads(database, takes_s=1.5)
    seen = await asyncio.gather(*(cache.get([player_id], load) for _ in range(20)))
    assert load.count == 1
    assert all(player_id in players for players in seen)


async def test_a_dead_loader_s_lease_ends_though_the_entry_lives_on(
    cache_server: Valkey, player_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.profile.player_cache.scripts.LEASE_MS", 100)
    scripts = CacheScripts(cache_server, EntryLife(3600), encoded)
    # A writer who knows only the version leaves an entry without a payload, which outlives every lease.
    written = uuid.UUID(player_id)
    await scripts.begin_write([written], "writer")
    await scripts.end_write([written], "writer", {written: (1, None)}, UNKNOWN_VERSION)
    assert states(await scripts.read([player_id], "dies")) == [b"lease"]
    assert states(await scripts.read([player_id], "waits")) == [b"wait"]
    await asyncio.sleep(0.2)
    assert states(await scripts.read([player_id], "loads")) == [b"lease"]


async def test_an_announcement_outlives_the_entry_that_it_found(
    database: Postgres, cache_server: Valkey, stores: Stores, player_id: str
) -> None:
    scripts = CacheScripts(cache_server, EntryLife(5), encoded)
    await PlayerCache(cache_server, 5, Metrics().cache("players"), encoded).get([player_id], Loads(database))
    await scripts.begin_write([uuid.UUID(player_id)], "writer")
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        assert await client.pttl(entry_key(player_id)) > WRITER_MS - 5_000


async def test_an_older_row_never_replaces_a_newer_version(
    database: Postgres, cache_server: Valkey, stores: Stores, player_id: str
) -> None:
    scripts, old = CacheScripts(cache_server, EntryLife(3600), encoded), await Loads(database)([player_id])
    await scripts.read([player_id], "loader")
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        await client.hset(entry_key(player_id), "v", str(old[player_id].version + 1))
    await scripts.fill([Fill(player_id, "loader", old[player_id])])
    assert states(await scripts.read([player_id], "reader")) == [b"lease"]


async def test_an_entry_lives_90_to_100_percent_of_the_time_to_live(
    database: Postgres, cache_server: Valkey, stores: Stores, players: conftest.Players
) -> None:
    cache, ids = PlayerCache(cache_server, 1000, Metrics().cache("players"), encoded), await players(20)
    await cache.get(ids, Loads(database))
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        lives = [await client.ttl(entry_key(i)) for i in ids]
    assert all(895 <= seconds <= 1000 for seconds in lives)
    assert len(set(lives)) > 5, "entries made together must not end together"


async def test_an_entry_near_its_end_is_loaded_anew_while_its_readers_go_on(
    database: Postgres, cache_server: Valkey, stores: Stores, player_id: str
) -> None:
    cache, load = PlayerCache(cache_server, 1000, Metrics().cache("players"), encoded), Loads(database, takes_s=0.1)
    await cache.get([player_id], load)
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        await client.expire(entry_key(player_id), 20)
        begun = time.monotonic()
        seen = await asyncio.gather(*(cache.get([player_id], load) for _ in range(20)))
        assert time.monotonic() - begun < 0.1, "a reader waited for the refresh"
        assert all(player_id in players for players in seen)
        await asyncio.sleep(0.3)
        assert load.count == 2
        assert await client.ttl(entry_key(player_id)) > 800
    await cache.close()


async def test_players_near_their_end_and_players_not_cached_are_asked_for_together(
    database: Postgres, cache_server: Valkey, stores: Stores, players: conftest.Players
) -> None:
    ids = await players(6)
    cache, load = PlayerCache(cache_server, 1000, Metrics().cache("players"), encoded), Loads(database, takes_s=0.02)
    await cache.get(ids[:3], load)
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        for player_id in ids[:3]:
            await client.expire(entry_key(player_id), 20)
        seen = await asyncio.gather(*(cache.get(ids, load) for _ in range(10)))
        assert all(set(found) == set(ids) for found in seen)
        await asyncio.sleep(0.2)
        assert all([await client.ttl(entry_key(player_id)) > 800 for player_id in ids])
    await cache.close()


async def test_a_write_that_waits_while_the_cache_comes_back_is_not_forgotten_about(
    database: Postgres, stores: Stores, store_telemetry: StoreTelemetry, player_id: str
) -> None:
    load, record_login = Loads(database), QUERIES["record_login"]
    async with (
        valkey.connect(stores.cache_url, store_telemetry, answer_timeout_s=0.2) as server,
        Redis.from_url(stores.cache_url, protocol=3) as client,
    ):
        cache = PlayerCache(server, 3600, Metrics().cache("players"), encoded)
        await client.client_pause(500)
        async with cache.writing([uuid.UUID(player_id)]) as written:
            # The cache is back, and a reader of this very process fills it with the row as it still is.
            await asyncio.sleep(2)
            await cache.get([player_id], load)
            [after] = await database.fetch(record_login, {"player_id": player_id}, Player, repeatable=False)
            written(after.player_id, after.version, after)
        assert await cache.get_one(player_id, load) == encoded(values(after))


class TooShy(Refused):
    """A refusal that the cache has never heard of."""


class Lost(SavepointError):
    """An error after which nobody knows whether something was written."""


@pytest.mark.parametrize(("error", "ended"), [(TooShy("TOO_SHY", "no"), True), (Lost("LOST", "perhaps"), False)])
async def test_a_write_is_ended_at_once_by_every_refusal_and_by_no_other_error(
    error: SavepointError, ended: bool, database: Postgres, cache_server: Valkey, stores: Stores, player_id: str
) -> None:
    cache, load = PlayerCache(cache_server, 1000, Metrics().cache("players"), encoded), Loads(database)
    with pytest.raises(type(error)):
        async with cache.writing([uuid.UUID(player_id)]):
            raise error
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        fields: list[bytes] = await client.hkeys(entry_key(player_id))  # type: ignore[assignment]
        assert [field[:2] for field in fields] == ([] if ended else [b"w:"])
    # While the announcement stands, every reader goes to the database.
    for _ in range(3):
        await cache.get([player_id], load)
    assert load.count == (1 if ended else 3)


async def test_the_hit_ratio_counts_lookups(database: Postgres, cache_server: Valkey, player_id: str) -> None:
    counted = Metrics().cache("players")
    cache = PlayerCache(cache_server, 1000, counted, encoded)
    for _ in range(4):
        await cache.get([player_id], Loads(database))
        await cache.filled()
    assert (counted.hits, counted.misses) == (3, 1)


async def test_what_was_written_while_the_cache_was_away_is_not_read_stale_when_it_is_back(
    database: Postgres, stores: Stores, store_telemetry: StoreTelemetry, player_id: str
) -> None:
    load = Loads(database)
    async with (
        valkey.connect(stores.cache_url, store_telemetry, answer_timeout_s=0.2) as server,
        Redis.from_url(stores.cache_url, protocol=3) as client,
    ):
        cache = PlayerCache(server, 3600, Metrics().cache("players"), encoded)
        await cache.get_one(player_id, load)
        await client.client_pause(1500)
        async with cache.writing([uuid.UUID(player_id)]) as written:
            [after] = await database.fetch(QUERIES["record_login"], {"player_id": player_id}, Player, repeatable=False)
            written(after.player_id, after.version, after)
        assert await cache.get_one(player_id, load) == encoded(values(after))
        await asyncio.sleep(2.5)
        assert await cache.get_one(player_id, load) == encoded(values(after))
        another = PlayerCache(server, 3600, Metrics().cache("players"), encoded)
        assert await another.get_one(player_id, load) == encoded(values(after))


async def test_without_its_cache_the_service_is_slower_and_still_right(
    profile_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("cacheless")
    environment = {**profile_environment, "REDIS_URL": f"unix://{directory}/nobody.sock?db=0"}
    async with running("profile", environment, directory) as service:
        stub, name = ProfileServiceStub(service.channel), uuid.uuid4().hex
        made = (await stub.CreatePlayer(pb.CreatePlayerRequest(username=name, email=f"{name}@example.com"))).player
        login = (await stub.RecordLogin(pb.RecordLoginRequest(player_id=made.player_id))).player
        read = (await stub.GetPlayer(pb.GetPlayerRequest(player_id=made.player_id))).player
        assert read == login


async def test_a_reader_has_its_answer_before_the_cache_is_filled(
    database: Postgres, cache_server: Valkey, stores: Stores, player_id: str
) -> None:
    cache, load = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded), Loads(database)
    async with Redis.from_url(stores.cache_url, protocol=3) as client:

        async def load_and_freeze(ids: Sequence[str]) -> Mapping[str, Loaded]:
            loaded = await load(ids)
            await client.client_pause(300)
            return loaded

        assert await cache.get_one(player_id, load_and_freeze)
        begun = time.monotonic()
        await cache.filled()
        assert time.monotonic() - begun > 0.2, "the reader waited until the cache answered"
    # Another process finds the player.
    assert await PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded).get_one(player_id, load)
    assert load.count == 1


async def test_who_reads_between_a_load_and_its_fill_gets_what_was_loaded(
    database: Postgres, cache_server: Valkey, player_id: str
) -> None:
    cache, load = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded), Loads(database)
    first = await cache.get_one(player_id, load)
    assert [await cache.get_one(player_id, load) for _ in range(3)] == [first] * 3
    assert load.count == 1


async def test_a_player_who_does_not_exist_leaves_no_lease(
    database: Postgres, cache_server: Valkey, stores: Stores
) -> None:
    cache, load, nobody = (
        PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded),
        Loads(database),
        str(uuid.uuid4()),
    )
    assert await cache.get_one(nobody, load) is None
    assert await cache.get([nobody], load) == {}
    await cache.filled()
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        assert await client.hgetall(entry_key(nobody)) == {}


async def test_a_close_puts_what_was_loaded(database: Postgres, cache_server: Valkey, player_id: str) -> None:
    cache, load = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded), Loads(database)
    await cache.get_one(player_id, load)
    await cache.close()
    assert await PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded).get_one(player_id, load)
    assert load.count == 1


class Crowd:
    """64 callers of a store at once, who ask for players that are not in its cache."""

    def __init__(self, store: SqlPlayerStore, player_ids: Sequence[str]) -> None:
        self.wanted = player_ids
        self.calls = [asyncio.create_task(store.get_player(player_id)) for player_id in player_ids]

    async def all_are_right_but(self, lost: Sequence[int], database: Postgres) -> None:
        """Every other caller got its own player."""
        answers = await asyncio.gather(*self.calls, return_exceptions=True)
        truth = await Loads(database)(list(set(self.wanted)))
        for number, (player_id, answer) in enumerate(zip(self.wanted, answers, strict=True)):
            if number in lost:
                assert isinstance(answer, BaseException)
            else:
                assert answer == truth[player_id].payload


@pytest.fixture
async def store(database: Postgres, cache_server: Valkey) -> AsyncIterator[SqlPlayerStore]:
    cache = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded)
    made = SqlPlayerStore(database, RequestRecords(database), cache)
    yield made
    await made.close()
    await cache.close()


@pytest.mark.parametrize("after_s", [0, 0.001, 0.003, 0.01])
async def test_of_64_callers_who_share_statements_some_give_up_and_the_others_are_right(
    database: Postgres, store: SqlPlayerStore, players: conftest.Players, after_s: float
) -> None:
    crowd = Crowd(store, await players(64))
    await asyncio.sleep(after_s)
    gone = [number for number in (0, 1, 17, 63) if crowd.calls[number].cancel()]
    await crowd.all_are_right_but(gone, database)


@pytest.mark.parametrize("after_s", [0, 0.001, 0.003, 0.01])
async def test_of_64_callers_who_want_one_player_some_give_up_and_the_others_get_it(
    database: Postgres, store: SqlPlayerStore, player_id: str, after_s: float
) -> None:
    crowd = Crowd(store, [player_id] * 64)
    await asyncio.sleep(after_s)
    # The first one has the lease.
    gone = [number for number in (0, 1, 17, 63) if crowd.calls[number].cancel()]
    begun = time.monotonic()
    await crowd.all_are_right_but(gone, database)
    # They did not wait until they lost patience with the lease.
    assert time.monotonic() - begun < 0.5


async def test_of_64_callers_one_has_no_time_left_and_one_asks_for_nobody(
    database: Postgres, store: SqlPlayerStore, players: conftest.Players
) -> None:
    ids = await players(64)
    ids[5] = str(uuid.uuid4())

    async def late(player_id: str) -> bytes:
        deadline.start(0)
        return await store.get_player(player_id)

    crowd = Crowd(store, ids)
    crowd.calls[9].cancel()
    crowd.calls[9] = asyncio.create_task(late(ids[9]))
    await crowd.all_are_right_but([5, 9], database)
    assert isinstance(crowd.calls[5].exception(), NotFound)
    assert isinstance(crowd.calls[9].exception(), DeadlineReached)


async def test_a_load_that_fails_fails_nobody_who_waits_for_it(
    database: Postgres, cache_server: Valkey, player_id: str
) -> None:
    cache, load = PlayerCache(cache_server, 3600, Metrics().cache("players"), encoded), Loads(database)

    async def fails(ids: Sequence[str]) -> Mapping[str, Loaded]:
        await asyncio.sleep(0.05)
        raise StoreUnavailable("postgresql")

    first = asyncio.create_task(cache.get_one(player_id, fails))
    await asyncio.sleep(0.02)
    others = await asyncio.gather(*(cache.get_one(player_id, load) for _ in range(63)))
    with pytest.raises(StoreUnavailable):
        await first
    assert None not in others
    assert len(set(others)) == 1
