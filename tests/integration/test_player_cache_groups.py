"""The player cache under Sentinel and in a cluster, in its everyday life: batches over many slots, and the service."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from services.profile.messages import encoded
from services.profile.player_cache.cache import Loaded, PlayerCache
from shared.stores.postgres import Postgres
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.conftest import Players
from tests.integration.test_player_cache_interleavings import QUERIES
from tests.support import valkeys
from tests.support.service import running
from tests.support.valkeys import Group

PLAYERS = 60


@pytest.fixture(scope="module", params=["replica", "cluster"])
async def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Group]:
    async with valkeys.group(tmp_path_factory.mktemp("cache"), request.param) as started:
        yield started


async def test_a_batch_over_many_slots_is_loaded_once_and_then_read_from_the_cache(
    group: Group, database: Postgres, store_telemetry: StoreTelemetry, players: Players
) -> None:
    ids = await players(PLAYERS)
    loaded: list[str] = []

    async def load(some: Sequence[str]) -> Mapping[str, Loaded]:
        loaded.extend(some)
        rows = await database.fetch_rows(QUERIES["batch_get_players"], {"player_ids": list(some)})
        return {row[0]: Loaded(encoded(row), row[-1]) for row in rows}

    async with group.connect(store_telemetry, tells_reign=True) as server:
        cache = PlayerCache(server, 3600, Metrics().cache("players"), encoded, settle_s=0)
        first = await cache.get(ids, load)
        await cache.filled()
        assert sorted(loaded) == sorted(ids)
        assert await cache.get(ids, load) == first
        assert [await cache.get_one(player_id, load) for player_id in ids] == [first[player_id] for player_id in ids]
        assert len(loaded) == PLAYERS
        async with cache.writing([uuid.UUID(player_id) for player_id in ids]):
            assert await cache.get(ids, load) == first
        assert len(loaded) == 2 * PLAYERS, "while writers are at work, nothing is read from the cache"


async def test_the_service_is_right_with_a_cache_that_is_told_of_every_write(
    group: Group, profile_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    mode = {"CACHE_REPLICATION_MODE": group.mode}
    settings = {name: value for name, value in group.settings.items() if name in ("REDIS_URL", "SENTINEL_PASSWORD")}
    before = sum([await group.scripts_run(name) for name in group.names])
    async with running(
        "profile", {**profile_environment, **mode, **settings}, tmp_path_factory.mktemp("profile")
    ) as service:
        stub, name = ProfileServiceStub(service.channel), uuid.uuid4().hex
        made = (await stub.CreatePlayer(pb.CreatePlayerRequest(username=name, email=f"{name}@example.com"))).player
        for _ in range(3):
            login = (await stub.RecordLogin(pb.RecordLoginRequest(player_id=made.player_id))).player
            assert (await stub.GetPlayer(pb.GetPlayerRequest(player_id=made.player_id))).player == login
    assert sum([await group.scripts_run(name) for name in group.names]) > before + 6
