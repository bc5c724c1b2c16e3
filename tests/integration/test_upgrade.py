"""A database of release 0.1, with its data, brought to this version by the migrations."""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator

import pytest
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local import engines
from deploy.local.stores import Stores
from tests.support import databases
from tests.support.kept_calls import FIXTURES, KeptCall, kept_calls, recorded_rpcs
from tests.support.service import Service, migrate, running

RELEASE = "release_0_1"
# Services forget what is too old, and a fixture gets older every day.
YOUNG = "UPDATE requests SET created_at = now();"


async def upgraded(stores: Stores, service: str) -> str:
    """A database as 0.1 left it, upgraded. Its DATABASE_URL."""
    dump = (FIXTURES / RELEASE / f"{service}.sql").read_text()
    url = await databases.create(stores, f"upgraded_{service}", f"{dump}SET search_path = public; {YOUNG}")
    await migrate(service, {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    return url


@pytest.fixture(scope="module")
async def old_profile(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A profile service on the database of 0.1."""
    environment = {"DATABASE_URL": await upgraded(stores, "profile"), "REDIS_URL": stores.cache_url}
    async with running("profile", environment, tmp_path_factory.mktemp("old")) as service:
        yield service


@pytest.fixture(scope="module")
async def old_inventory(
    stores: Stores, old_profile: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """An inventory service on the database of 0.1."""
    environment = {"DATABASE_URL": await upgraded(stores, "inventory"), "PROFILE_TARGET": old_profile.address}
    async with running("inventory", environment, tmp_path_factory.mktemp("old")) as service:
        yield service


def sent_to_databases() -> list[KeptCall]:
    calls = [call for call in kept_calls() if call.release == RELEASE]
    return [call for call in calls if not call.path.startswith("/savepoint.leaderboard")]


async def test_requests_of_before_are_answered_as_they_were(old_profile: Service, old_inventory: Service) -> None:
    calls = sent_to_databases()
    for call in calls:
        service = old_profile if call.path.startswith("/savepoint.profile") else old_inventory
        call.check(await call.send(service.channel, call.request()))
    scores = {"SubmitScore", "BatchSubmitScores"}
    assert {call.rpc for call in calls} == set(recorded_rpcs()) - scores


async def test_what_was_there_is_still_there_and_goes_on(old_profile: Service) -> None:
    players, wallets = ProfileServiceStub(old_profile.channel), WalletServiceStub(old_profile.channel)
    [found] = await databases.rows(
        old_profile.environment["DATABASE_URL"], "SELECT player_id::text, coins FROM players WHERE username = 'ada'"
    )
    player_id, coins = str(found[0]), 300
    player = (await players.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id))).player
    assert (player.username, player.coins, player.xp, player.attributes["skin"]) == ("ada", coins, 1500, "blue")
    request = wallet_pb2.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=5, reason="test")
    for _ in range(2):
        assert (await wallets.AdjustCoins(request)).wallet.coins == coins + 5


@pytest.mark.parametrize("service", ["profile", "inventory"])
async def test_the_upgraded_schema_is_the_fresh_one(stores: Stores, service: str) -> None:
    fresh = await databases.create(stores, f"fresh_{service}")
    await migrate(service, {"DATABASE_URL": fresh, "REDIS_URL": stores.cache_url})
    assert await schema(await upgraded(stores, service)) == await schema(fresh)


async def schema(url: str) -> list[str]:
    """Columns, types, defaults, constraints, indexes, partitions and functions, as PostgreSQL says them."""

    def dump() -> str:
        command = [str(engines.postgres("pg_dump")), "--schema-only", "--no-owner", url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    lines = (await asyncio.to_thread(dump)).splitlines()
    # What starts with a backslash is for psql, and has a key that is new each time.
    return [line for line in lines if line and not line.startswith(("--", "\\"))]
