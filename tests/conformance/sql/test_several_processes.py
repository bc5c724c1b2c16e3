"""Two processes of a service over one database know nothing of each other; what they write adds up, and is in order."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import psycopg
import pytest
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.conformance.database import Database, Environments
from tests.conftest import Players
from tests.support.errors import failure_of
from tests.support.service import Service, running

CALLERS, CALLS = 12, 10

LEDGER = "SELECT delta, coins_after, created_at FROM wallet_ledger WHERE player_id = %s ORDER BY entry_id"
_LOST = re.compile(r'^db_errors_total\{kind="SERIALIZATION_FAILURE",[^}]*\} (\S+)$', re.M)


@pytest.fixture(scope="module")
async def profiles(
    profile: Service, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Service, Service]]:
    async with running("profile", environments["profile"], tmp_path_factory.mktemp("second")) as second:
        yield profile, second


@pytest.fixture(scope="module")
async def inventories(
    inventory: Service, profile: Service, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Service, Service]]:
    environment = {**environments["inventory"], "PROFILE_TARGET": profile.address}
    async with running("inventory", environment, tmp_path_factory.mktemp("second")) as second:
        yield inventory, second


def new_id() -> str:
    return str(uuid.uuid4())


async def times_lost(*services: Service) -> float:
    """How often a statement of theirs lost against another transaction (40001)."""
    scraped = await asyncio.gather(*(service.scrape() for service in services))
    return sum(float(count) for page in scraped for count in _LOST.findall(page))


async def test_a_player_s_entries_are_in_the_order_of_the_movements(
    profiles: tuple[Service, Service], players: Players, tables: psycopg.AsyncConnection
) -> None:
    player_id, other_id = await players(2)
    wallets = [WalletServiceStub(service.channel) for service in profiles]
    for each in (player_id, other_id):
        await wallets[0].AdjustCoins(
            wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=each, delta=10_000, reason="start")
        )

    async def adjust(number: int) -> None:
        for turn in range(CALLS):
            stub = wallets[(number + turn) % 2]
            if number % 3:
                await stub.AdjustCoins(
                    wallet_pb2.AdjustCoinsRequest(
                        request_id=new_id(), player_id=player_id, delta=1 + number, reason="a"
                    )
                )
            else:
                await stub.TransferCoins(
                    wallet_pb2.TransferCoinsRequest(
                        request_id=new_id(),
                        sender_player_id=(player_id, other_id)[turn % 2],
                        receiver_player_id=(other_id, player_id)[turn % 2],
                        amount=1 + number,
                        reason="t",
                    )
                )

    await asyncio.gather(*(adjust(number) for number in range(CALLERS)))
    for each in (player_id, other_id):
        cursor = await tables.execute(LEDGER, (each,))
        entries = await cursor.fetchall()
        coins = 0
        for delta, coins_after, _ in entries:
            coins += delta
            assert coins_after == coins
    ids = [row[0] for row in await (await tables.execute("SELECT entry_id FROM wallet_ledger")).fetchall()]
    assert {entry_id.version for entry_id in ids} == {7}
    assert {entry_id.variant for entry_id in ids} == {uuid.RFC_4122}


async def test_what_many_write_to_few_rows_adds_up_and_nobody_is_turned_away(
    profiles: tuple[Service, Service], inventories: tuple[Service, Service], players: Players, database: Database
) -> None:
    """Every call has time enough; so contention must not turn into an error."""
    player_ids = await players(2)
    before = await times_lost(*profiles, *inventories)
    failures: list[object] = []

    async def call(number: int) -> None:
        player_id, at = player_ids[number % 2], number % 2
        wallet = WalletServiceStub(profiles[at].channel)
        items, matches = InventoryServiceStub(inventories[at].channel), MatchServiceStub(inventories[at].channel)
        item: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron"}
        for _ in range(CALLS):
            calls: list[Awaitable[Any]] = [
                wallet.AdjustCoins(
                    wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=1, reason="a"),
                    timeout=30,
                ),
                items.GrantItem(
                    inventory_pb2.GrantItemRequest(
                        request_id=new_id(), grant=inventory_pb2.ItemGrant(quantity=2, **item)
                    ),
                    timeout=30,
                ),
                items.BatchGrantItems(
                    inventory_pb2.BatchGrantItemsRequest(
                        request_id=new_id(), grants=[inventory_pb2.ItemGrant(quantity=1, **item)]
                    ),
                    timeout=30,
                ),
                matches.RecordMatch(
                    match_pb2.RecordMatchRequest(
                        request_id=new_id(),
                        match=match_pb2.Match(
                            game_mode="busy", players=[match_pb2.MatchPlayer(player_id=i) for i in player_ids]
                        ),
                    ),
                    timeout=30,
                ),
            ]
            failures.extend(
                failure_of(result)
                for result in await asyncio.gather(*calls, return_exceptions=True)
                if isinstance(result, aio.AioRpcError)
            )

    await asyncio.gather(*(call(number) for number in range(CALLERS)))
    assert failures == []
    stub = ProfileServiceStub(profiles[0].channel)
    for player_id in player_ids:
        player = (await stub.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id))).player
        assert player.coins == CALLERS // 2 * CALLS
        listed = await InventoryServiceStub(inventories[1].channel).ListItems(
            inventory_pb2.ListItemsRequest(player_id=player_id)
        )
        assert [item.quantity for item in listed.items] == [CALLERS // 2 * CALLS * 3]
    lost = await times_lost(*profiles, *inventories) - before
    if database.name.startswith("SERIALIZABLE"):
        # The calls did get into each other's way: this is what the test is about.
        assert lost > 10
