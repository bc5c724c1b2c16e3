"""Every two RPCs that touch the same row, against each other: each call does what it says or is refused with a reason,
and the sums are exact."""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.conftest import Players
from tests.support.errors import failure_of
from tests.support.service import Service

# Of each of the two RPCs: so many callers, so many calls each.
CALLERS, CALLS = 8, 12
# What is taken is more than what is given: so the balance stays near the bound, where races are decided.
GAIN, SPEND = 10, 30

# What a race may be refused with. INTERNAL and UNKNOWN are never right.
REFUSALS = {
    "INSUFFICIENT_COINS",
    "INSUFFICIENT_QUANTITY",
    "PLAYER_NOT_FOUND",
    "ITEM_NOT_FOUND",
    "ETAG_MISMATCH",
    "MATCH_FINISHED",
    "MATCH_ID_TAKEN",
}


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Sums:
    """What the calls that succeeded have added to each quantity."""

    of: Counter[str] = field(default_factory=Counter)

    def add(self, **changes: int) -> None:
        for name, change in changes.items():
            self.of[name] += change


Call = Callable[[], Awaitable[Any]]


async def race(*calls: Call, callers: int = CALLERS, times: int = CALLS) -> list[str]:
    """Runs each call from many callers at once. Returns the reasons of those refused."""
    refused: list[str] = []

    async def caller(call: Call) -> None:
        for _ in range(times):
            try:
                await call()
            except aio.AioRpcError as error:
                failed = failure_of(error)
                assert failed.code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), failed
                assert failed.reason in REFUSALS, failed
                refused.append(failed.reason)

    await asyncio.gather(*(caller(call) for call in calls for _ in range(callers)))
    return refused


def pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    return list(itertools.combinations_with_replacement(names, 2))


class PlayerCalls:
    """Each call that changes a player's row, for one player and a partner."""

    def __init__(self, profile: Service, player_id: str, partner_id: str) -> None:
        self.players, self.wallets = ProfileServiceStub(profile.channel), WalletServiceStub(profile.channel)
        self.player_id, self.partner_id = player_id, partner_id
        self.sums = Sums()

    async def earn(self) -> None:
        await self.adjust(GAIN)

    async def spend(self) -> None:
        await self.adjust(-SPEND)

    async def adjust(self, delta: int) -> None:
        await self.wallets.AdjustCoins(
            wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=self.player_id, delta=delta, reason="race")
        )
        self.sums.add(coins=delta)

    async def send(self) -> None:
        await self.transfer(self.player_id, self.partner_id, SPEND)
        self.sums.add(coins=-SPEND, partner=SPEND)

    async def receive(self) -> None:
        await self.transfer(self.partner_id, self.player_id, GAIN)
        self.sums.add(coins=GAIN, partner=-GAIN)

    async def transfer(self, sender: str, receiver: str, amount: int) -> None:
        await self.wallets.TransferCoins(
            wallet_pb2.TransferCoinsRequest(
                request_id=new_id(), sender_player_id=sender, receiver_player_id=receiver, amount=amount, reason="race"
            )
        )

    async def endow(self, player_id: str, coins: int) -> None:
        await self.wallets.AdjustCoins(
            wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=coins, reason="race")
        )
        self.sums.add(partner=coins)

    async def progress(self) -> None:
        change = profile_pb2.ProgressChange(player_id=self.player_id, mmr_delta=3, xp_delta=7)
        request = profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=[change])
        await self.players.BatchApplyProgress(request)
        self.sums.add(mmr=3, xp=7)

    async def update(self) -> None:
        wish = profile_pb2.Player(player_id=self.player_id)
        wish.attributes.update({"skin": "blue"})
        request = profile_pb2.UpdatePlayerRequest(player=wish, update_mask=FieldMask(paths=["attributes"]))
        await self.players.UpdatePlayer(request)

    async def login(self) -> None:
        await self.players.RecordLogin(profile_pb2.RecordLoginRequest(player_id=self.player_id))

    async def delete(self) -> None:
        await self.players.DeletePlayer(profile_pb2.DeletePlayerRequest(player_id=self.player_id))
        self.sums.add(deleted=1)

    async def read(self, player_id: str) -> profile_pb2.Player:
        return (await self.players.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id))).player


PLAYER_CALLS = ("earn", "spend", "send", "receive", "progress", "update", "login")


@pytest.mark.parametrize(("one", "other"), pairs(PLAYER_CALLS))
async def test_calls_on_one_player_add_up(profile: Service, players: Players, one: str, other: str) -> None:
    player_id, partner_id = await players(2)
    calls = PlayerCalls(profile, player_id, partner_id)
    if "receive" in (one, other):
        await calls.endow(partner_id, 500)
    await race(getattr(calls, one), getattr(calls, other))
    player, partner = await calls.read(player_id), await calls.read(partner_id)
    expected = calls.sums.of
    assert (player.coins, partner.coins) == (expected["coins"], expected["partner"])
    assert (player.mmr - 1000, player.xp) == (expected["mmr"], expected["xp"])


@pytest.mark.parametrize("other", [*PLAYER_CALLS, "delete"])
async def test_calls_on_a_player_who_is_deleted(profile: Service, players: Players, other: str) -> None:
    made = await players(24)
    for player_id, partner_id in itertools.pairwise(made):
        calls = PlayerCalls(profile, player_id, partner_id)
        await race(getattr(calls, other), calls.delete, callers=3, times=2)
        assert calls.sums.of["deleted"] == 1
        assert (await calls.read(partner_id)).coins >= 0


class ItemCalls:
    """Each call that changes an item's row, for one item; a batch has another one beside."""

    def __init__(self, inventory: Service, player_id: str) -> None:
        self.items = InventoryServiceStub(inventory.channel)
        self.key: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron"}
        self.sums = Sums()

    async def grant(self) -> None:
        await self.items.GrantItem(
            inventory_pb2.GrantItemRequest(request_id=new_id(), grant=inventory_pb2.ItemGrant(quantity=2, **self.key))
        )
        self.sums.add(iron=2)

    async def batch_grant(self) -> None:
        beside = {**self.key, "item_id": "gold"}
        grants = [inventory_pb2.ItemGrant(quantity=1, **key) for key in (self.key, beside, self.key)]
        await self.items.BatchGrantItems(inventory_pb2.BatchGrantItemsRequest(request_id=new_id(), grants=grants))
        self.sums.add(iron=2, gold=1)

    async def consume(self) -> None:
        await self.items.ConsumeItem(inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=5, **self.key))
        self.sums.add(iron=-5)

    async def consume_one(self) -> None:
        await self.items.ConsumeItem(inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=1, **self.key))
        self.sums.add(iron=-1)

    async def describe(self) -> None:
        request = inventory_pb2.UpdateItemMetadataRequest(**self.key)
        request.metadata.update({"from": "the north"})
        await self.items.UpdateItemMetadata(request)

    async def owned(self) -> dict[str, int]:
        listed = await self.items.ListItems(inventory_pb2.ListItemsRequest(player_id=self.key["player_id"]))
        return {item.item_id: item.quantity for item in listed.items}


@pytest.mark.parametrize(("one", "other"), pairs(("grant", "batch_grant", "consume", "consume_one", "describe")))
async def test_calls_on_one_item_add_up(inventory: Service, players: Players, one: str, other: str) -> None:
    [player_id] = await players(1)
    calls = ItemCalls(inventory, player_id)
    await race(getattr(calls, one), getattr(calls, other))
    assert await calls.owned() == +calls.sums.of


class MatchCalls:
    """Each call that writes a match, for one match_id."""

    def __init__(self, inventory: Service, match_id: str, player_ids: list[str]) -> None:
        self.matches = MatchServiceStub(inventory.channel)
        self.match_id = match_id
        self.sides = [match_pb2.MatchPlayer(player_id=i, team=team) for team, i in enumerate(player_ids)]
        self.answers: list[match_pb2.Match] = []

    async def finish(self) -> None:
        results = [match_pb2.PlayerResult(player_id=side.player_id, team=side.team) for side in self.sides]
        request = match_pb2.FinishMatchRequest(request_id=new_id(), match_id=self.match_id, results=results)
        self.answers.append((await self.matches.FinishMatch(request)).match)

    async def record(self) -> None:
        match = match_pb2.Match(match_id=self.match_id, game_mode="race", players=self.sides)
        request = match_pb2.RecordMatchRequest(request_id=new_id(), match=match)
        self.answers.append((await self.matches.RecordMatch(request)).match)


@pytest.mark.parametrize(("one", "other"), [("finish", "finish"), ("finish", "record"), ("record", "record")])
async def test_a_match_is_written_once(inventory: Service, players: Players, one: str, other: str) -> None:
    pair = await players(2)
    for _ in range(4):
        sides = [match_pb2.MatchParticipant(player_id=player_id) for player_id in pair]
        request = match_pb2.StartMatchRequest(request_id=new_id(), game_mode="race", participants=sides)
        calls = MatchCalls(inventory, new_id(), pair)
        if "finish" in (one, other):
            calls.match_id = (await calls.matches.StartMatch(request)).match.match_id
        await race(getattr(calls, one), getattr(calls, other), callers=6, times=2)
        kept = (await calls.matches.GetMatch(match_pb2.GetMatchRequest(match_id=calls.match_id))).match
        assert calls.answers == [kept]
