"""The player cache under Sentinel and in a cluster that is not whole, or that nobody told the service of."""

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
from shared.stores.valkey.slots import slot_of
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.conftest import players_of
from tests.support import valkeys
from tests.support.service import running
from tests.support.valkeys import Group


@pytest.fixture(scope="module", params=["replica", "cluster"])
async def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Group]:
    async with valkeys.group(tmp_path_factory.mktemp("cache"), request.param) as started:
        yield started


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
