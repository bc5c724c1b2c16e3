"""What a cache of players does on an ordinary day: it is asked by many processes, batches, writers, and the service."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence

import pytest
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from services.profile.player_cache.cache import Loaded
from shared.stores.postgres import Postgres
from tests.conformance.database import Environments
from tests.conformance.player_cache.conftest import Caches
from tests.conftest import Players
from tests.support.player_cache import Loads
from tests.support.service import Service, running

# So many lie in every shard of a cluster.
MANY = 60


async def test_a_hundred_readers_of_two_processes_load_once(
    players_database: Postgres, caches: Caches, players: Players
) -> None:
    [player_id] = await players(1)
    processes = [caches() for _ in range(2)]
    load = Loads(players_database, takes_s=0.1)
    seen = await asyncio.gather(*(processes[i % 2].get([player_id], load) for i in range(100)))
    assert load.count == 1
    assert len({found[player_id] for found in seen}) == 1


async def test_a_batch_over_many_slots_is_loaded_once_and_then_read_from_the_cache(
    players_database: Postgres, caches: Caches, players: Players
) -> None:
    ids = await players(MANY)
    cache, load = caches(), Loads(players_database)
    loaded: list[str] = []

    async def noted(some: Sequence[str]) -> Mapping[str, Loaded]:
        loaded.extend(some)
        return await load(some)

    first = await cache.get(ids, noted)
    await cache.filled()
    assert sorted(loaded) == sorted(ids)
    assert await cache.get(ids, noted) == first
    assert [await cache.get_one(player_id, noted) for player_id in ids] == [first[player_id] for player_id in ids]
    assert len(loaded) == MANY
    async with cache.writing([uuid.UUID(player_id) for player_id in ids]):
        assert await cache.get(ids, noted) == first
    assert len(loaded) == 2 * MANY, "while writers are at work, nothing is read from the cache"


async def test_a_loader_that_died_keeps_nobody_waiting_for_long(
    players_database: Postgres, caches: Caches, players: Players
) -> None:
    [player_id] = await players(1)
    loader = asyncio.create_task(caches().get([player_id], Loads(players_database, takes_s=60)))
    await asyncio.sleep(0.1)
    loader.cancel()
    await asyncio.gather(loader, return_exceptions=True)
    begun = time.monotonic()
    assert player_id in await caches().get([player_id], Loads(players_database))
    assert time.monotonic() - begun < 2


async def test_a_player_who_does_not_exist_leaves_no_lease(players_database: Postgres, caches: Caches) -> None:
    cache, load, nobody = caches(), Loads(players_database), str(uuid.uuid4())
    assert await cache.get_one(nobody, load) is None
    await cache.filled()
    begun = time.monotonic()
    assert await caches().get([nobody], load) == {}
    assert time.monotonic() - begun < 0.5, "somebody's lease was waited for"
    assert load.count == 2


async def test_who_reads_at_one_process_what_was_written_at_another_reads_it_as_it_is(
    environments: Environments, profile: Service, players: Players, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ids = await players(10)
    async with running("profile", environments["profile"], tmp_path_factory.mktemp("another")) as another:
        here, there = ProfileServiceStub(profile.channel), ProfileServiceStub(another.channel)

        async def plays(player_id: str) -> None:
            for writes_at, reads_at in [(here, there), (there, here)] * 10:
                written = (await writes_at.RecordLogin(pb.RecordLoginRequest(player_id=player_id))).player
                for _ in range(2):
                    read = (await reads_at.GetPlayer(pb.GetPlayerRequest(player_id=player_id))).player
                    assert read == written

        async with asyncio.TaskGroup() as crowd:
            for player_id in ids:
                crowd.create_task(plays(player_id))
