"""Coins: moved exactly once, never lost, never made."""

import asyncio
import re
import time
import uuid
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
from grpc import aio
from psycopg.rows import class_row
from savepoint.profile.v1 import wallet_pb2 as pb
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from services.profile.wallets.types import LedgerEntry

if TYPE_CHECKING:
    from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceAsyncStub

from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service


@pytest.fixture
def wallets(profile: Service) -> "WalletServiceAsyncStub":
    return WalletServiceStub(profile.channel)


def adjust(player_id: str, delta: int) -> pb.AdjustCoinsRequest:
    return pb.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=delta, reason="test")


def transfer(sender: str, receiver: str, amount: int) -> pb.TransferCoinsRequest:
    return pb.TransferCoinsRequest(
        request_id=str(uuid.uuid4()),
        sender_player_id=sender,
        receiver_player_id=receiver,
        amount=amount,
        reason="test",
    )


async def coins(wallets: "WalletServiceAsyncStub", *player_ids: str) -> list[int]:
    return [(await wallets.GetWallet(pb.GetWalletRequest(player_id=i))).wallet.coins for i in player_ids]


async def ledger(tables: psycopg.AsyncConnection, player_id: str) -> list[LedgerEntry]:
    """A player's entries, in their order."""
    async with tables.cursor(row_factory=class_row(LedgerEntry)) as cursor:
        await cursor.execute("SELECT * FROM wallet_ledger WHERE player_id = %s ORDER BY entry_id", (player_id,))
        return await cursor.fetchall()


async def test_an_adjustment_changes_the_wallet_and_enters_the_ledger(
    wallets: "WalletServiceAsyncStub", players: Players, tables: psycopg.AsyncConnection
) -> None:
    [player_id] = await players(1)
    await wallets.AdjustCoins(adjust(player_id, 500))
    answer = await wallets.AdjustCoins(adjust(player_id, -120))
    assert (answer.wallet.coins, answer.wallet.held_coins, answer.wallet.available_coins) == (380, 0, 380)
    assert (answer.entry.delta, answer.entry.coins_after) == (-120, 380)
    assert not answer.entry.HasField("transfer_id")
    assert not answer.entry.HasField("counterparty_player_id")
    entries = await ledger(tables, player_id)
    assert [(entry.delta, entry.coins_after, entry.kind) for entry in entries] == [
        (500, 500, "ADJUSTMENT"),
        (-120, 380, "ADJUSTMENT"),
    ]


async def test_a_transfer_moves_coins_and_enters_both_ledgers(
    wallets: "WalletServiceAsyncStub", players: Players, tables: psycopg.AsyncConnection
) -> None:
    sender, receiver = await players(2)
    await wallets.AdjustCoins(adjust(sender, 100))
    request = transfer(sender, receiver, 70)
    request.reference = "order 7"
    answer = await wallets.TransferCoins(request)
    assert (answer.sender.coins, answer.receiver.coins) == (30, 70)
    for player_id, kind, delta, other in (
        (sender, "TRANSFER_OUT", -70, receiver),
        (receiver, "TRANSFER_IN", 70, sender),
    ):
        entry = (await ledger(tables, player_id))[-1]
        assert (entry.kind, entry.delta, entry.reference) == (kind, delta, "order 7")
        assert (str(entry.transfer_id), str(entry.counterparty_player_id)) == (answer.transfer_id, other)


async def test_the_same_request_again_is_answered_alike_and_takes_no_effect(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    sender, receiver = await players(2)
    first, again = adjust(sender, 100), transfer(sender, receiver, 100)
    answers = [await wallets.AdjustCoins(first), await wallets.TransferCoins(again)]
    repeats = [await wallets.AdjustCoins(first), await wallets.TransferCoins(again)]
    assert [m.SerializeToString() for m in answers] == [m.SerializeToString() for m in repeats]
    assert await coins(wallets, sender, receiver) == [0, 100]


async def test_a_request_id_with_another_content_is_refused(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    [player_id] = await players(1)
    request = adjust(player_id, 100)
    await wallets.AdjustCoins(request)
    request.delta = 200
    failed = await failure(wallets.AdjustCoins(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    other = transfer(player_id, (await players(1))[0], 1)
    other.request_id = request.request_id
    assert (await failure(wallets.TransferCoins(other))).reason == "REQUEST_ID_REUSED"
    assert await coins(wallets, player_id) == [100]


async def test_64_callers_with_one_request_id_get_one_answer_and_one_effect(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    [player_id] = await players(1)
    request = adjust(player_id, 7)
    answers = await asyncio.gather(*(wallets.AdjustCoins(request) for _ in range(64)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await coins(wallets, player_id) == [7]


async def test_callers_racing_to_spend_all_with_one_request_id_all_succeed(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    # The later ones find the coins gone: by their own request, so they must get its answer, not INSUFFICIENT_COINS.
    sender, receiver = await players(2)
    await wallets.AdjustCoins(adjust(sender, 50))
    request = transfer(sender, receiver, 50)
    answers = await asyncio.gather(*(wallets.TransferCoins(request) for _ in range(32)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await coins(wallets, sender, receiver) == [0, 50]


async def test_64_callers_spending_the_same_coins_succeed_as_often_as_the_balance_allows(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    [player_id] = await players(1)
    await wallets.AdjustCoins(adjust(player_id, 205))

    async def spend() -> str:
        try:
            await wallets.AdjustCoins(adjust(player_id, -10))
        except aio.AioRpcError as error:
            return error.code().name
        return "OK"

    results = await asyncio.gather(*(spend() for _ in range(64)))
    assert results.count("OK") == 20
    assert results.count("FAILED_PRECONDITION") == 44
    assert await coins(wallets, player_id) == [5]


async def deadlocks(profile: Service) -> float:
    """How many the database has broken up so far."""
    found = re.search(r'^db_errors_total\{kind="DEADLOCK_DETECTED".*\} (\S+)$', await profile.scrape(), re.M)
    return float(found[1]) if found else 0


async def test_opposed_transfers_neither_deadlock_nor_lose_a_coin(
    wallets: "WalletServiceAsyncStub", players: Players, profile: Service
) -> None:
    # 5 s here; tests/e2e plays 30 s. A retry would hide a deadlock from the callers, so the database's are counted.
    before = await deadlocks(profile)
    pair = await players(2)
    for player_id in pair:
        await wallets.AdjustCoins(adjust(player_id, 1000))
    until = time.monotonic() + 5

    async def back_and_forth(sender: str, receiver: str) -> int:
        done = 0
        while time.monotonic() < until:
            await wallets.TransferCoins(transfer(sender, receiver, 1))
            done += 1
        return done

    done = await asyncio.gather(*(back_and_forth(*(pair if i % 2 else pair[::-1])) for i in range(32)))
    assert all(done)
    assert sum(await coins(wallets, *pair)) == 2000
    assert await deadlocks(profile) == before


async def test_what_cannot_be_paid_changes_nothing_and_says_why(
    wallets: "WalletServiceAsyncStub", players: Players
) -> None:
    sender, receiver = await players(2)
    await wallets.AdjustCoins(adjust(sender, 10))
    failed = await failure(wallets.TransferCoins(transfer(sender, receiver, 11)))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_COINS")
    assert (failed.metadata["have"], failed.metadata["need"]) == ("10", "11")
    nobody = str(uuid.uuid4())
    for request in (transfer(sender, nobody, 5), transfer(nobody, sender, 5)):
        failed = await failure(wallets.TransferCoins(request))
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "PLAYER_NOT_FOUND")
        assert failed.metadata["player_id"] == nobody
    assert await coins(wallets, sender, receiver) == [10, 0]


async def test_held_coins_are_not_spent(
    wallets: "WalletServiceAsyncStub", players: Players, tables: psycopg.AsyncConnection
) -> None:
    sender, receiver = await players(2)
    await wallets.AdjustCoins(adjust(sender, 100))
    # No RPC holds coins yet.
    await tables.execute("UPDATE players SET held_coins = 70 WHERE player_id = %s", (sender,))
    for call in (wallets.AdjustCoins(adjust(sender, -31)), wallets.TransferCoins(transfer(sender, receiver, 31))):
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_COINS")
        assert (failed.metadata["have"], failed.metadata["need"]) == ("30", "31")
    await wallets.AdjustCoins(adjust(sender, -10))
    await wallets.TransferCoins(transfer(sender, receiver, 20))
    wallet = (await wallets.GetWallet(pb.GetWalletRequest(player_id=sender))).wallet
    assert (wallet.coins, wallet.held_coins, wallet.available_coins) == (70, 70, 0)


async def test_more_coins_than_can_be_counted_are_refused(wallets: "WalletServiceAsyncStub", players: Players) -> None:
    rich, other = await players(2)
    await wallets.AdjustCoins(adjust(rich, 2**63 - 1))
    await wallets.AdjustCoins(adjust(other, 1))
    for call in (wallets.AdjustCoins(adjust(rich, 1)), wallets.TransferCoins(transfer(other, rich, 1))):
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COINS_LIMIT")
    assert await coins(wallets, rich, other) == [2**63 - 1, 1]


@pytest.mark.parametrize("field", ["request_id", "player_id", "delta", "reason"])
async def test_a_missing_field_is_named(wallets: "WalletServiceAsyncStub", players: Players, field: str) -> None:
    request = adjust((await players(1))[0], 1)
    request.ClearField(field)
    failed = await failure(wallets.AdjustCoins(request))
    assert (failed.code, failed.reason, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", field)


async def test_coins_are_not_sent_to_oneself(wallets: "WalletServiceAsyncStub", players: Players) -> None:
    [player_id] = await players(1)
    assert (await failure(wallets.TransferCoins(transfer(player_id, player_id, 1)))).field == "receiver_player_id"
