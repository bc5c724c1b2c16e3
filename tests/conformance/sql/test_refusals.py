"""A definite refusal is an answer: recorded under its request_id, repeated alike to the byte, and final, even where the
same request would succeed by now."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from shared.rpc.status import DETAILS_KEY
from tests.conftest import Players
from tests.support.errors import failure, failure_of
from tests.support.service import Service

INT64_MAX = 2**63 - 1

Do = Callable[[], Awaitable[Any]]


def new_id() -> str:
    return str(uuid.uuid4())


class World:
    """The services, and how a test sets them up."""

    def __init__(self, profile: Service, inventory: Service, leaderboard: Service, players: Players) -> None:
        self.profile, self.wallets = ProfileServiceStub(profile.channel), WalletServiceStub(profile.channel)
        self.items, self.matches = InventoryServiceStub(inventory.channel), MatchServiceStub(inventory.channel)
        self.ranks = LeaderboardServiceStub(leaderboard.channel)
        self.players = players

    async def player(self) -> str:
        return (await self.players(1))[0]

    async def create(self, player_id: str) -> None:
        await self.profile.CreatePlayer(new_player(player_id=player_id))

    async def adjust(self, player_id: str, delta: int) -> None:
        await self.wallets.AdjustCoins(adjust(player_id, delta))

    async def started_match(self, *player_ids: str) -> str:
        request = match_pb2.StartMatchRequest(
            request_id=new_id(), game_mode="duel", participants=participants(*player_ids)
        )
        return (await self.matches.StartMatch(request)).match.match_id


def new_player(**values: Any) -> profile_pb2.CreatePlayerRequest:
    name = uuid.uuid4().hex
    return profile_pb2.CreatePlayerRequest(**{"username": name, "email": f"{name}@example.com", **values})


def adjust(player_id: str, delta: int) -> wallet_pb2.AdjustCoinsRequest:
    return wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=delta, reason="test")


def transfer(sender: str, receiver: str, amount: int = 5) -> wallet_pb2.TransferCoinsRequest:
    return wallet_pb2.TransferCoinsRequest(
        request_id=new_id(), sender_player_id=sender, receiver_player_id=receiver, amount=amount, reason="test"
    )


def progress(*player_ids: str) -> profile_pb2.BatchApplyProgressRequest:
    changes = [profile_pb2.ProgressChange(player_id=player_id, mmr_delta=1, xp_delta=1) for player_id in player_ids]
    return profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=changes)


def item(player_id: str) -> dict[str, Any]:
    return {"player_id": player_id, "item_type": "ore", "item_id": "iron"}


def grant(player_id: str, quantity: int = 1) -> inventory_pb2.GrantItemRequest:
    return inventory_pb2.GrantItemRequest(
        request_id=new_id(), grant=inventory_pb2.ItemGrant(quantity=quantity, **item(player_id))
    )


def batch_grant(*player_ids: str) -> inventory_pb2.BatchGrantItemsRequest:
    grants = [inventory_pb2.ItemGrant(quantity=1, **item(player_id)) for player_id in player_ids]
    return inventory_pb2.BatchGrantItemsRequest(request_id=new_id(), grants=grants)


def consume(player_id: str, quantity: int = 1) -> inventory_pb2.ConsumeItemRequest:
    return inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=quantity, **item(player_id))


def sides(*player_ids: str) -> list[match_pb2.MatchPlayer]:
    return [match_pb2.MatchPlayer(player_id=player_id, team=team) for team, player_id in enumerate(player_ids)]


def record(*player_ids: str, match_id: str | None = None) -> match_pb2.RecordMatchRequest:
    match = match_pb2.Match(match_id=match_id, game_mode="duel", players=sides(*player_ids))
    return match_pb2.RecordMatchRequest(request_id=new_id(), match=match)


def participants(*player_ids: str) -> list[match_pb2.MatchParticipant]:
    return [match_pb2.MatchParticipant(player_id=player_id, team=team) for team, player_id in enumerate(player_ids)]


def finish(match_id: str, **values: Any) -> match_pb2.FinishMatchRequest:
    return match_pb2.FinishMatchRequest(request_id=new_id(), match_id=match_id, **values)


@dataclass
class Case:
    """A request that is refused, for which reason, and what changes the state so that it no longer would be (or would
    be for another reason)."""

    call: Callable[[Any], Awaitable[Any]]
    request: Any
    reason: str
    change: Do


async def adjust_without_coins(world: World) -> Case:
    player = await world.player()
    change = lambda: world.adjust(player, 10)  # noqa: E731
    return Case(world.wallets.AdjustCoins, adjust(player, -5), "INSUFFICIENT_COINS", change)


async def adjust_of_nobody(world: World) -> Case:
    nobody = new_id()
    return Case(world.wallets.AdjustCoins, adjust(nobody, 5), "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def adjust_over_the_limit(world: World) -> Case:
    player = await world.player()
    await world.adjust(player, INT64_MAX)
    return Case(world.wallets.AdjustCoins, adjust(player, 5), "COINS_LIMIT", lambda: world.adjust(player, -10))


async def transfer_without_coins(world: World) -> Case:
    sender, receiver = await world.players(2)
    request = transfer(sender, receiver)
    return Case(world.wallets.TransferCoins, request, "INSUFFICIENT_COINS", lambda: world.adjust(sender, 10))


async def transfer_from_nobody(world: World) -> Case:
    nobody, receiver = new_id(), await world.player()

    async def change() -> None:
        await world.create(nobody)
        await world.adjust(nobody, 10)

    return Case(world.wallets.TransferCoins, transfer(nobody, receiver), "PLAYER_NOT_FOUND", change)


async def transfer_to_nobody(world: World) -> Case:
    sender, nobody = await world.player(), new_id()
    await world.adjust(sender, 10)
    request = transfer(sender, nobody)
    return Case(world.wallets.TransferCoins, request, "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def transfer_over_the_limit(world: World) -> Case:
    sender, receiver = await world.players(2)
    await world.adjust(sender, 10)
    await world.adjust(receiver, INT64_MAX)
    request = transfer(sender, receiver)
    return Case(world.wallets.TransferCoins, request, "COINS_LIMIT", lambda: world.adjust(receiver, -10))


async def create_taken(world: World, field: str, reason: str) -> Case:
    first = (await world.profile.CreatePlayer(new_player(player_id=new_id()))).player
    request = new_player(request_id=new_id(), **{field: getattr(first, field)})
    gone = profile_pb2.DeletePlayerRequest(player_id=first.player_id)
    return Case(world.profile.CreatePlayer, request, reason, lambda: world.profile.DeletePlayer(gone))


async def create_with_a_taken_name(world: World) -> Case:
    return await create_taken(world, "username", "USERNAME_TAKEN")


async def create_with_a_taken_address(world: World) -> Case:
    return await create_taken(world, "email", "EMAIL_TAKEN")


async def create_with_a_taken_id(world: World) -> Case:
    return await create_taken(world, "player_id", "PLAYER_ID_TAKEN")


async def progress_of_nobody(world: World) -> Case:
    player, nobody = await world.player(), new_id()
    request = progress(player, nobody)
    return Case(world.profile.BatchApplyProgress, request, "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def progress_over_the_limit(world: World) -> Case:
    player, other = await world.players(2)

    async def set_xp(xp: int) -> None:
        wish = profile_pb2.Player(player_id=player, xp=xp)
        mask = FieldMask(paths=["xp"])
        await world.profile.UpdatePlayer(profile_pb2.UpdatePlayerRequest(player=wish, update_mask=mask))

    await set_xp(INT64_MAX)
    request = progress(other, player)
    return Case(world.profile.BatchApplyProgress, request, "PROGRESS_LIMIT", lambda: set_xp(0))


async def grant_to_nobody(world: World) -> Case:
    nobody = new_id()
    return Case(world.items.GrantItem, grant(nobody), "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def grant_over_the_limit(world: World) -> Case:
    player = await world.player()
    await world.items.GrantItem(grant(player, INT64_MAX))
    change = lambda: world.items.ConsumeItem(consume(player, 9))  # noqa: E731
    return Case(world.items.GrantItem, grant(player), "QUANTITY_LIMIT", change)


async def batch_grant_to_nobody(world: World) -> Case:
    player, nobody = await world.player(), new_id()
    request = batch_grant(player, nobody)
    return Case(world.items.BatchGrantItems, request, "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def batch_grant_over_the_limit(world: World) -> Case:
    player, other = await world.players(2)
    await world.items.GrantItem(grant(player, INT64_MAX))
    change = lambda: world.items.ConsumeItem(consume(player, 9))  # noqa: E731
    return Case(world.items.BatchGrantItems, batch_grant(other, player), "QUANTITY_LIMIT", change)


async def consume_of_nothing(world: World) -> Case:
    player = await world.player()
    change = lambda: world.items.GrantItem(grant(player, 9))  # noqa: E731
    return Case(world.items.ConsumeItem, consume(player), "INSUFFICIENT_QUANTITY", change)


async def consume_of_too_few(world: World) -> Case:
    player = await world.player()
    await world.items.GrantItem(grant(player, 2))
    change = lambda: world.items.GrantItem(grant(player, 9))  # noqa: E731
    return Case(world.items.ConsumeItem, consume(player, 3), "INSUFFICIENT_QUANTITY", change)


async def start_with_nobody(world: World) -> Case:
    nobody = new_id()
    request = match_pb2.StartMatchRequest(request_id=new_id(), game_mode="duel", participants=participants(nobody))
    return Case(world.matches.StartMatch, request, "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def record_with_nobody(world: World) -> Case:
    nobody = new_id()
    return Case(world.matches.RecordMatch, record(nobody), "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def record_with_a_taken_id(world: World) -> Case:
    player, match_id = await world.player(), new_id()
    await world.matches.RecordMatch(record(player, match_id=match_id))
    # Matches are never deleted: what else could change is who owns the id.
    return Case(world.matches.RecordMatch, record(player, match_id=match_id), "MATCH_ID_TAKEN", world.player)


async def finish_of_no_match(world: World) -> Case:
    player, match_id = await world.player(), new_id()
    change = lambda: world.matches.RecordMatch(record(player, match_id=match_id))  # noqa: E731
    return Case(world.matches.FinishMatch, finish(match_id), "MATCH_NOT_FOUND", change)


async def finish_with_nobody(world: World) -> Case:
    match_id, nobody = await world.started_match(await world.player()), new_id()
    request = finish(match_id, results=[match_pb2.PlayerResult(player_id=nobody)])
    return Case(world.matches.FinishMatch, request, "PLAYER_NOT_FOUND", lambda: world.create(nobody))


async def finish_of_a_finished_match(world: World) -> Case:
    match_id = await world.started_match(await world.player())
    await world.matches.FinishMatch(finish(match_id))
    return Case(world.matches.FinishMatch, finish(match_id, winner_team=0), "MATCH_FINISHED", world.player)


async def finish_won_by_nobody(world: World) -> Case:
    match_id = await world.started_match(await world.player())
    change = lambda: world.matches.FinishMatch(finish(match_id, winner_team=0))  # noqa: E731
    return Case(world.matches.FinishMatch, finish(match_id, winner_team=7), "FIELD_INVALID", change)


async def score_on_no_board(world: World) -> Case:
    board = f"board-{new_id()}"
    request = leaderboard_pb2.SubmitScoreRequest(
        request_id=new_id(), submission=leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id="a", score=1)
    )
    create = leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    change = lambda: world.ranks.CreateLeaderboard(create)  # noqa: E731
    return Case(world.ranks.SubmitScore, request, "LEADERBOARD_NOT_FOUND", change)


CASES = [
    adjust_without_coins,
    adjust_of_nobody,
    adjust_over_the_limit,
    transfer_without_coins,
    transfer_from_nobody,
    transfer_to_nobody,
    transfer_over_the_limit,
    create_with_a_taken_name,
    create_with_a_taken_address,
    create_with_a_taken_id,
    progress_of_nobody,
    progress_over_the_limit,
    grant_to_nobody,
    grant_over_the_limit,
    batch_grant_to_nobody,
    batch_grant_over_the_limit,
    consume_of_nothing,
    consume_of_too_few,
    start_with_nobody,
    record_with_nobody,
    record_with_a_taken_id,
    finish_of_no_match,
    finish_with_nobody,
    finish_of_a_finished_match,
    finish_won_by_nobody,
    score_on_no_board,
]

Make = Callable[[World], Awaitable[Case]]
# What a caller sees: reason, code, message and details, or the answer's bytes.
Seen = tuple[Any, ...]


@pytest.fixture
def world(profile: Service, inventory: Service, leaderboard: Service, players: Players) -> World:
    return World(profile, inventory, leaderboard, players)


async def seen(case: Case) -> Seen:
    try:
        answer = await case.call(case.request)
    except aio.AioRpcError as error:
        details = dict(error.trailing_metadata() or ())[DETAILS_KEY]
        return failure_of(error).reason, error.code(), error.details(), details
    return (answer.SerializeToString(deterministic=True),)


@pytest.mark.parametrize("make", CASES)
async def test_a_refusal_is_final_and_repeated_to_the_byte(world: World, make: Make) -> None:
    case = await make(world)
    first = await seen(case)
    assert first[0] == case.reason
    assert await seen(case) == first
    await case.change()
    assert await seen(case) == first


@pytest.mark.parametrize("make", CASES)
async def test_a_request_that_races_with_what_allows_it_has_one_answer(world: World, make: Make) -> None:
    for _ in range(3):
        case = await make(world)
        outcomes = await asyncio.gather(*(seen(case) for _ in range(8)), case.change(), *(seen(case) for _ in range(8)))
        del outcomes[8]
        assert len(set(outcomes)) == 1


async def test_the_same_refusal_reads_alike_wherever_it_comes_from(world: World) -> None:
    # Some are worded by SQL, some by the service.
    nobody, match_id = new_id(), await world.started_match(await world.player())
    unknown = [
        await failure(world.wallets.AdjustCoins(adjust(nobody, 1))),
        await failure(world.wallets.TransferCoins(transfer(nobody, await world.player()))),
        await failure(world.profile.BatchApplyProgress(progress(nobody))),
        await failure(world.items.GrantItem(grant(nobody))),
        await failure(world.profile.GetPlayer(profile_pb2.GetPlayerRequest(player_id=nobody))),
    ]
    assert unknown == unknown[:1] * len(unknown)
    finishes = (world.matches.FinishMatch(finish(match_id)) for _ in range(8))
    refused = [outcome for outcome in await asyncio.gather(*finishes, return_exceptions=True) if _failed(outcome)]
    assert len(refused) == 7
    assert len({str(failure_of(outcome)) for outcome in refused}) == 1


def _failed(outcome: object) -> TypeGuard[aio.AioRpcError]:
    return isinstance(outcome, aio.AioRpcError)


async def test_another_request_under_the_id_of_a_refused_one_is_told_so(world: World) -> None:
    player = await world.player()
    request = adjust(player, -5)
    assert (await failure(world.wallets.AdjustCoins(request))).reason == "INSUFFICIENT_COINS"
    request.delta = 5
    assert (await failure(world.wallets.AdjustCoins(request))).reason == "REQUEST_ID_REUSED"
    other = grant(player)
    other.request_id = "no-uuid"
    assert (await failure(world.items.GrantItem(other))).field == "request_id"


async def test_a_malformed_request_leaves_its_id_free(world: World) -> None:
    player = await world.player()
    request = adjust(player, 0)
    assert (await failure(world.wallets.AdjustCoins(request))).field == "delta"
    request.delta = 5
    assert (await world.wallets.AdjustCoins(request)).wallet.coins == 5


async def test_of_a_batch_of_scores_the_part_of_each_board_is_final(world: World) -> None:
    there, missing = f"board-{new_id()}", f"board-{new_id()}"
    await world.ranks.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=there))
    )
    submissions = [
        leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id="a", score=1) for board in (missing, there)
    ]
    request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions, request_id=new_id())
    first = await world.ranks.BatchSubmitScores(request)
    assert [result.WhichOneof("result") for result in first.results] == ["failure", "entry"]
    await world.ranks.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=missing))
    )
    assert await world.ranks.BatchSubmitScores(request) == first
    request.submissions[0].score = 2
    assert (await failure(world.ranks.BatchSubmitScores(request))).reason == "REQUEST_ID_REUSED"


async def test_a_board_made_anew_knows_nothing_of_what_was_answered_before(world: World) -> None:
    board = f"board-{new_id()}"
    create = leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    await world.ranks.CreateLeaderboard(create)
    scores = [("a", 1), ("b", 2)]
    requests = [
        leaderboard_pb2.SubmitScoreRequest(
            request_id=new_id(),
            submission=leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=name, score=score),
        )
        for name, score in scores
    ]
    batch = leaderboard_pb2.BatchSubmitScoresRequest(request_id=new_id())
    batch.submissions.add(leaderboard_id=board, entry_id="c", score=3)
    for request in requests:
        await world.ranks.SubmitScore(request)
    await world.ranks.BatchSubmitScores(batch)
    before = leaderboard_pb2.BatchSubmitScoresRequest(request_id=new_id())
    before.submissions.add(leaderboard_id=board, entry_id="e", score=4)
    await world.ranks.BatchSubmitScores(before)
    await world.ranks.DeleteLeaderboard(leaderboard_pb2.DeleteLeaderboardRequest(leaderboard_id=board))
    await world.ranks.CreateLeaderboard(create)
    # What is answered is what stands on the board now.
    assert (await world.ranks.SubmitScore(requests[0])).entry.rank == 1
    assert (await world.ranks.BatchSubmitScores(batch)).results[0].entry.rank == 1
    top = (await world.ranks.ListTop(leaderboard_pb2.ListTopRequest(leaderboard_id=board))).entries
    assert [(entry.entry_id, entry.rank) for entry in top] == [("c", 1), ("a", 2)]
    # An id that was used before the board was made anew serves another request now.
    requests[1].submission.score = 5
    assert (await world.ranks.SubmitScore(requests[1])).entry.rank == 1
    # So it does for a batch over several boards, which looks at all of them first.
    other = leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=new_id()))
    await world.ranks.CreateLeaderboard(other)
    again = leaderboard_pb2.BatchSubmitScoresRequest(request_id=before.request_id)
    for leaderboard_id in (board, other.leaderboard.leaderboard_id):
        again.submissions.add(leaderboard_id=leaderboard_id, entry_id="d", score=9)
    assert [result.entry.rank for result in (await world.ranks.BatchSubmitScores(again)).results] == [1, 1]
