"""Requests for the same row are never in one statement, and are done in the order in which they came."""

import asyncio
import itertools
import uuid
from collections import Counter
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.conftest import Players
from tests.support.batched import SUBJECTS, ended, new_id
from tests.support.service import Service

# Texts that JSON, SQL, arrays and formats each have a meaning for.
TEXTS = ['"', "\\", "\\u0000", "%s %(x)s % %%", "{a,b}", "',\"", "𝄞🎲", "ünï\u2028cødé", "a:b", "NULL", "\ufeffb", "$1"]


def adjust(player_id: str, delta: int, reason: str = "order") -> wallet_pb2.AdjustCoinsRequest:
    return wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=delta, reason=reason)


def transfer(sender: str, receiver: str, amount: int) -> wallet_pb2.TransferCoinsRequest:
    return wallet_pb2.TransferCoinsRequest(
        request_id=new_id(), sender_player_id=sender, receiver_player_id=receiver, amount=amount, reason="order"
    )


async def test_a_spend_behind_a_gain_finds_the_coins_and_one_before_it_does_not(
    profile: Service, players: Players
) -> None:
    gaining, spending, *others = await players(2 + 30)
    adjusted = WalletServiceStub(profile.channel).AdjustCoins
    # Others between them, so that all are in the same batches.
    first = [adjust(gaining, 5), *(adjust(other, 1) for other in others), adjust(gaining, -5)]
    ends = await asyncio.gather(*(ended(adjusted(request)) for request in first))
    assert Counter(end.how for end in ends) == {"OK": len(first)}
    assert (ends[0].answer.entry.coins_after, ends[-1].answer.entry.coins_after) == (5, 0)
    second = [adjust(spending, -5), *(adjust(other, 1) for other in others), adjust(spending, 5)]
    ends = await asyncio.gather(*(ended(adjusted(request)) for request in second))
    assert [end.how for end in ends] == ["INSUFFICIENT_COINS", *["OK"] * (len(second) - 1)]


async def test_of_two_requests_with_one_request_id_one_is_done_and_the_other_refused(
    profile: Service, players: Players
) -> None:
    player_ids = await players(64)
    requests = [adjust(player_id, 5) for player_id in player_ids]
    for request, other in zip(requests[::2], requests[1::2], strict=True):
        other.request_id = request.request_id
    wallets = WalletServiceStub(profile.channel)
    ends = await asyncio.gather(*(ended(wallets.AdjustCoins(request)) for request in requests))
    for request, end in zip(requests, ends, strict=True):
        wallet = (await wallets.GetWallet(wallet_pb2.GetWalletRequest(player_id=request.player_id))).wallet
        assert (end.how, wallet.coins) in (("OK", 5), ("REQUEST_ID_REUSED", 0))
    assert Counter(end.how for end in ends) == {"OK": 32, "REQUEST_ID_REUSED": 32}


async def test_coins_go_from_hand_to_hand_along_a_line(profile: Service, players: Players) -> None:
    line = await players(32)
    wallets = WalletServiceStub(profile.channel)
    await wallets.AdjustCoins(adjust(line[0], 7))
    steps = [transfer(one, other, 7) for one, other in itertools.pairwise(line)]
    ends = await asyncio.gather(*(ended(wallets.TransferCoins(step)) for step in steps))
    assert Counter(end.how for end in ends) == {"OK": len(steps)}
    await wallets.TransferCoins(transfer(line[-1], line[0], 7))
    # The other way round, nobody but the last who is asked has any.
    back = [transfer(step.sender_player_id, step.receiver_player_id, 7) for step in reversed(steps)]
    ends = await asyncio.gather(*(ended(wallets.TransferCoins(step)) for step in back))
    assert [end.how for end in ends] == [*["INSUFFICIENT_COINS"] * (len(back) - 1), "OK"]


async def test_many_pay_one_and_one_pays_many(profile: Service, players: Players) -> None:
    one, *many = await players(1 + SUBJECTS)
    wallets = WalletServiceStub(profile.channel)
    await asyncio.gather(*(wallets.AdjustCoins(adjust(player_id, 3)) for player_id in many))
    answers = await asyncio.gather(*(wallets.TransferCoins(transfer(payer, one, 3)) for payer in many))
    assert [answer.receiver.coins for answer in answers] == [3 * place for place in range(1, SUBJECTS + 1)]
    answers = await asyncio.gather(*(wallets.TransferCoins(transfer(one, payee, 3)) for payee in many))
    assert [answer.sender.coins for answer in answers] == [3 * place for place in range(SUBJECTS - 1, -1, -1)]


async def test_updates_of_one_player_are_done_in_their_order(profile: Service, players: Players) -> None:
    [player_id] = await players(1)
    updated = ProfileServiceStub(profile.channel).UpdatePlayer

    def update(mmr: int) -> profile_pb2.UpdatePlayerRequest:
        player = profile_pb2.Player(player_id=player_id, mmr=mmr)
        return profile_pb2.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=["mmr"]))

    answers = await asyncio.gather(*(updated(update(mmr)) for mmr in range(SUBJECTS)))
    etags = [int(answer.player.etag) for answer in answers]
    assert etags == sorted(set(etags))
    assert [answer.player.mmr for answer in answers] == list(range(SUBJECTS))


async def test_of_64_with_the_same_etag_one_succeeds(profile: Service, players: Players) -> None:
    [player_id] = await players(1)
    stub = ProfileServiceStub(profile.channel)
    player = (await stub.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id))).player
    mask = FieldMask(paths=["mmr"])
    wishes = [profile_pb2.Player(player_id=player_id, etag=player.etag, mmr=mmr) for mmr in range(SUBJECTS)]
    requests = [profile_pb2.UpdatePlayerRequest(player=wish, update_mask=mask) for wish in wishes]
    ends = await asyncio.gather(*(ended(stub.UpdatePlayer(request)) for request in requests))
    assert [end.how for end in ends] == ["OK", *["ETAG_MISMATCH"] * (SUBJECTS - 1)]


async def test_items_of_one_key_add_up_in_their_order(inventory: Service, players: Players) -> None:
    [player_id] = await players(1)
    stub = InventoryServiceStub(inventory.channel)
    key: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron"}

    def grant() -> inventory_pb2.GrantItemRequest:
        return inventory_pb2.GrantItemRequest(request_id=new_id(), grant=inventory_pb2.ItemGrant(quantity=2, **key))

    await stub.GrantItem(grant())
    granted = await asyncio.gather(*(stub.GrantItem(grant()) for _ in range(SUBJECTS - 1)))
    assert [answer.item.quantity for answer in granted] == [2 * place for place in range(2, SUBJECTS + 1)]
    uses = [inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=2, **key) for _ in range(SUBJECTS + 1)]
    ends = await asyncio.gather(*(ended(stub.ConsumeItem(use)) for use in uses))
    assert [end.how for end in ends] == ["OK"] * SUBJECTS + ["INSUFFICIENT_QUANTITY"]


async def test_scores_of_many_callers_are_done_in_their_order(leaderboard: Service) -> None:
    stub = LeaderboardServiceStub(leaderboard.channel)
    boards = [f"order-{uuid.uuid4().hex[:12]}" for _ in range(2)]
    for board in boards:
        made = leaderboard_pb2.Leaderboard(leaderboard_id=board)
        await stub.CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made))

    def submit(board: str, entry_id: str, score: int) -> leaderboard_pb2.SubmitScoreRequest:
        submission = leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score)
        return leaderboard_pb2.SubmitScoreRequest(request_id=new_id(), submission=submission)

    before = submit(boards[0], "before", 50)
    first = await ended(stub.SubmitScore(before))
    requests = [submit(boards[number % 2], "same", number) for number in range(SUBJECTS - 3)]
    requests += [before, submit("no-such-board", "same", 1)]
    reused = submit(boards[0], "before", 51)
    reused.request_id = before.request_id
    requests.append(reused)
    calls = [asyncio.create_task(ended(stub.SubmitScore(request))) for request in requests]
    gives_up = asyncio.create_task(ended(stub.SubmitScore(submit(boards[0], "gives up", 5))))
    await asyncio.sleep(0.002)
    gives_up.cancel()
    ends = await asyncio.gather(*calls)
    *scored, repeated, unknown, refused = ends
    assert (repeated, unknown.how, refused.how) == (first, "LEADERBOARD_NOT_FOUND", "REQUEST_ID_REUSED")
    for number, end in enumerate(scored):
        answer = end.answer
        assert (answer.entry.score, answer.changed) == (number, True)
        assert answer.HasField("previous_entry") == (number >= 2)
        assert answer.previous_entry.score == max(0, number - 2)
    assert (await gives_up).how in ("CANCELLED", "OK")


@pytest.mark.parametrize("kind", ["coins", "items", "players", "scores"])
async def test_texts_come_back_as_they_came(
    profile: Service, inventory: Service, leaderboard: Service, players: Players, kind: str
) -> None:
    player_ids = await players(len(TEXTS))
    shown = []
    if kind == "coins":
        wallets = WalletServiceStub(profile.channel)
        coins = await asyncio.gather(
            *(wallets.AdjustCoins(adjust(i, 2**63 - 1, text)) for i, text in zip(player_ids, TEXTS, strict=True))
        )
        assert {answer.wallet.coins for answer in coins} == {2**63 - 1}
        shown = [answer.entry.reason for answer in coins]
    elif kind == "items":
        items = InventoryServiceStub(inventory.channel)
        grants = [
            inventory_pb2.ItemGrant(player_id=i, item_type=text, item_id=text, quantity=2**63 - 1)
            for i, text in zip(player_ids, TEXTS, strict=True)
        ]
        for grant, text in zip(grants, TEXTS, strict=True):
            grant.metadata.update({text: [text, -1.5e300]})
        granted = await asyncio.gather(
            *(items.GrantItem(inventory_pb2.GrantItemRequest(request_id=new_id(), grant=grant)) for grant in grants)
        )
        assert [answer.item.metadata for answer in granted] == [grant.metadata for grant in grants]
        assert {answer.item.quantity for answer in granted} == {2**63 - 1}
        shown = [answer.item.item_id for answer in granted]
    elif kind == "players":
        stub = ProfileServiceStub(profile.channel)
        new = []
        for text in TEXTS:
            name = new_id().replace("-", "")
            request = profile_pb2.CreatePlayerRequest(request_id=new_id(), username=name, email=f"{name}@x")
            request.attributes.update({"text": text})
            new.append(request)
        made = await asyncio.gather(*map(stub.CreatePlayer, new))
        shown = [str(answer.player.attributes["text"]) for answer in made]
    else:
        boards = LeaderboardServiceStub(leaderboard.channel)
        board = f"texts-{uuid.uuid4().hex[:12]}"
        one = leaderboard_pb2.Leaderboard(leaderboard_id=board)
        await boards.CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=one))
        submissions = [
            leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=text, score=-(2**53), subscore=-(2**63))
            for text in TEXTS
        ]
        scored = await asyncio.gather(
            *(boards.SubmitScore(leaderboard_pb2.SubmitScoreRequest(submission=one)) for one in submissions)
        )
        assert {(answer.entry.score, answer.entry.subscore) for answer in scored} == {(-(2**53), -(2**63))}
        shown = [answer.entry.entry_id for answer in scored]
    assert shown == TEXTS
