"""The player cache under Sentinel and in a cluster, in its everyday life: batches over many slots, and the service."""

import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from services.profile.messages import encoded
from services.profile.player_cache.cache import Loaded, PlayerCache, entry_key
from services.profile.stores import CACHE_TIMEOUT_S
from shared.stores import valkey
from shared.stores.errors import StoreUnfit
from shared.stores.postgres import Postgres
from shared.stores.valkey.slots import slot_of
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.conftest import Players, players_of
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


@pytest.mark.parametrize("group", ["cluster"], indirect=True)
async def test_players_of_a_slot_that_nobody_serves_come_from_the_database_at_once(
    group: Group, store_telemetry: StoreTelemetry
) -> None:
    player_id = str(uuid.uuid4())
    slot = str(slot_of(entry_key(player_id)))

    async def load(some: Sequence[str]) -> Mapping[str, Loaded]:
        return {each: Loaded(b"\x0a" + each.encode(), 1) for each in some}

    primaries = [name for name in group.names if await group.role(name) == "master"]
    owner = await group.owner(entry_key(player_id))
    async with group.connect(store_telemetry, answer_timeout_s=CACHE_TIMEOUT_S, tells_reign=True) as server:
        cache = PlayerCache(server, 3600, Metrics().cache("players"), encoded, settle_s=0)
        for name in primaries:
            await group.ask(name, "CLUSTER", "DELSLOTS", slot)
        try:
            begun = time.monotonic()
            assert await cache.get_one(player_id, load)
            assert time.monotonic() - begun < 4 * CACHE_TIMEOUT_S
        finally:
            await group.ask(owner, "CLUSTER", "ADDSLOTS", slot)
        await cache.close()


@pytest.mark.parametrize("group", ["cluster"], indirect=True)
async def test_a_cache_in_a_cluster_that_the_service_was_not_told_of_is_done_without(
    group: Group, profile_environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {**profile_environment, "REDIS_URL": group.settings["REDIS_URL"].partition(",")[0]}
    async with running("profile", settings, tmp_path) as service:
        make = players_of(service)
        stub = ProfileServiceStub(service.channel)
        for player_id in await make(6):
            # Two thirds of them lie elsewhere.
            answer = await stub.GetPlayer(pb.GetPlayerRequest(player_id=player_id), timeout=5)
            assert answer.player.player_id == player_id
        assert "CACHE_REPLICATION_MODE=cluster" in service.log.read_text()


async def test_boards_in_a_cluster_that_the_service_was_not_told_of_are_refused(
    group: Group, store_telemetry: StoreTelemetry
) -> None:
    url = group.settings["REDIS_URL"]
    if group.mode == "cluster":
        with pytest.raises(StoreUnfit, match="REPLICATION_MODE=cluster"):
            async with valkey.connect(url.partition(",")[0], store_telemetry, answer_timeout_s=2, start_timeout_s=5):
                pass
        return
    alone = f"redis://:{group.settings['SENTINEL_PASSWORD']}@{group.node(group.names[0]).address}"
    with pytest.raises(StoreUnfit, match="REPLICATION_MODE=single"):
        async with valkey.connect(alone, store_telemetry, answer_timeout_s=2, start_timeout_s=5, mode="cluster"):
            pass


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
