"""Coins through the gateway, from many callers at once."""

import asyncio
import time
import uuid

import pytest
from grpc import aio
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

CALLERS = 64


class Wallets:
    """Players with coins."""

    def __init__(self, channel: aio.Channel) -> None:
        self.profiles, self.wallets = ProfileServiceStub(channel), WalletServiceStub(channel)

    async def make(self, coins: int) -> str:
        name = uuid.uuid4().hex
        request = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        player_id: str = (await self.profiles.CreatePlayer(request)).player.player_id
        if coins:
            await self.adjust(player_id, coins)
        return player_id

    async def adjust(self, player_id: str, delta: int) -> None:
        await self.wallets.AdjustCoins(
            wallet_pb2.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=delta, reason="test")
        )

    async def transfer(self, sender: str, receiver: str, amount: int) -> None:
        await self.wallets.TransferCoins(
            wallet_pb2.TransferCoinsRequest(
                request_id=str(uuid.uuid4()),
                sender_player_id=sender,
                receiver_player_id=receiver,
                amount=amount,
                reason="test",
            )
        )

    async def coins(self, player_id: str) -> int:
        return (await self.wallets.GetWallet(wallet_pb2.GetWalletRequest(player_id=player_id))).wallet.coins


@pytest.fixture
def wallets(gateway: aio.Channel) -> Wallets:
    return Wallets(gateway)


async def test_64_callers_spend_exactly_what_there_is(wallets: Wallets) -> None:
    spender, shop = await wallets.make(1005), await wallets.make(0)
    outcomes: list[str] = []

    async def spend() -> None:
        for _ in range(4):
            try:
                await wallets.transfer(spender, shop, 10)
                outcomes.append("OK")
            except aio.AioRpcError as error:
                outcomes.append(error.code().name)

    await asyncio.gather(*(spend() for _ in range(CALLERS)))
    assert outcomes.count("OK") == 100
    assert outcomes.count("FAILED_PRECONDITION") == CALLERS * 4 - 100
    assert (await wallets.coins(spender), await wallets.coins(shop)) == (5, 1000)


async def test_opposed_transfers_for_30_s_neither_deadlock_nor_lose_a_coin(wallets: Wallets) -> None:
    pair = [await wallets.make(100_000), await wallets.make(100_000)]
    until = time.monotonic() + 30

    async def send(sender: str, receiver: str) -> int:
        sent = 0
        while time.monotonic() < until:
            await wallets.transfer(sender, receiver, 1)
            sent += 1
        return sent

    there = [send(pair[0], pair[1]) for _ in range(CALLERS // 2)]
    back = [send(pair[1], pair[0]) for _ in range(CALLERS // 2)]
    sent = await asyncio.gather(*there, *back)
    gone, come = sum(sent[: CALLERS // 2]), sum(sent[CALLERS // 2 :])
    assert min(sent) > 0
    assert [await wallets.coins(player_id) for player_id in pair] == [100_000 - gone + come, 100_000 + gone - come]
