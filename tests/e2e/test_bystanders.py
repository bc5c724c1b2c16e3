"""A bad call is its caller's affair: who shares the connection with it does not notice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.profile.v1 import profile_pb2 as profile
from savepoint.profile.v1 import wallet_pb2 as wallet
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local.embedded import RunningStack
from tests.support.bystanders import calling
from tests.support.errors import failure

BAD_CALLS = 40


@pytest.fixture(scope="module", params=["gateway", "profile"])
async def channel(suite: RunningStack, request: pytest.FixtureRequest) -> AsyncIterator[aio.Channel]:
    """One connection, to the gateway or straight to the service."""
    address = suite.gateway if request.param == "gateway" else suite.address("profile")
    async with aio.insecure_channel(address) as made:
        yield made


def struct(key: str, value: float) -> Struct:
    made = Struct()
    made.fields[key].number_value = value
    return made


# What the errors of these calls repeat is longer than any header may be.
BAD: dict[str, Callable[[str], profile.UpdatePlayerRequest]] = {
    "a long path in the mask": lambda player_id: profile.UpdatePlayerRequest(
        player=profile.Player(player_id=player_id), update_mask=FieldMask(paths=["é" * 16_000])
    ),
    "a long key with NaN": lambda player_id: profile.UpdatePlayerRequest(
        player=profile.Player(player_id=player_id, attributes=struct("\U0001f3c6" * 16_000, float("nan"))),
        update_mask=FieldMask(paths=["attributes"]),
    ),
}


@pytest.mark.parametrize("bad", BAD)
async def test_errors_that_repeat_much_of_the_request_break_nobody_elses_calls(channel: aio.Channel, bad: str) -> None:
    players, wallets = ProfileServiceStub(channel), WalletServiceStub(channel)
    name = uuid.uuid4().hex[:20]
    made = await players.CreatePlayer(profile.CreatePlayerRequest(username=name, email=f"{name}@example.com"))
    player_id = made.player.player_id

    async def adjust() -> None:
        await wallets.AdjustCoins(
            wallet.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=1, reason="test"),
            timeout=10,
        )

    async with calling(adjust) as seen:
        refusals = []
        for _ in range(BAD_CALLS):
            refusals.append(await failure(players.UpdatePlayer(BAD[bad](player_id), timeout=10)))
            await asyncio.sleep(0.01)
    assert seen.failures == []
    assert {(failed.code.name, failed.reason) for failed in refusals} == {("INVALID_ARGUMENT", "FIELD_INVALID")}
    assert all(failed.field and failed.message for failed in refusals)
    assert seen.calls > BAD_CALLS / 4
    coins = (await wallets.GetWallet(wallet.GetWalletRequest(player_id=player_id))).wallet.coins
    assert coins == seen.calls
