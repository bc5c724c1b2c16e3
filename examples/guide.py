"""What docs/guide.md explains, as a program that runs: a game server's calls, from the channel to the last page.

python -m examples.guide          while `make up` runs
"""

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from savepoint.inventory.v1.inventory_pb2 import (
    GetItemRequest,
    GrantItemRequest,
    Item,
    ItemGrant,
    ListItemsRequest,
    UpdateItemMetadataRequest,
)
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1.leaderboard_pb2 import (
    BatchSubmitScoresRequest,
    CreateLeaderboardRequest,
    Leaderboard,
    ListAroundRequest,
    ScoreSubmission,
)
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1.match_pb2 import FinishMatchRequest, Match, MatchParticipant, PlayerResult, StartMatchRequest
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1.profile_pb2 import (
    BatchApplyProgressRequest,
    BatchGetPlayersRequest,
    CreatePlayerRequest,
    GetPlayerRequest,
    Player,
    ProgressChange,
    UpdatePlayerRequest,
)
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2 import AdjustCoinsRequest
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from examples.errors import Failure, failure_in, failure_of

Q = TypeVar("Q")
A = TypeVar("A")

GATEWAY = f"127.0.0.1:{os.environ.get('SAVEPOINT_PORT') or 8080}"
RETRY = (Path(__file__).parent / "retry.json").read_text()


def connect(address: str) -> grpc.Channel:
    """The one channel of this process. It connects by itself, connects again by itself, and carries calls at once."""
    options = [
        # Which calls gRPC repeats by itself.
        ("grpc.service_config", RETRY),
        # gRPC keeps this much of a call to send it again; its default is 256 KiB.
        ("grpc.per_rpc_retry_buffer_size", 8 * 1024 * 1024),
    ]
    return grpc.insecure_channel(address, options=options)


class Savepoint:
    """The stubs, all over one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.players = ProfileServiceStub(channel)
        self.wallets = WalletServiceStub(channel)
        self.items = InventoryServiceStub(channel)
        self.matches = MatchServiceStub(channel)
        self.boards = LeaderboardServiceStub(channel)
        self.health: Any = HealthStub(channel)  # its types leave the methods out


def is_serving(savepoint: Savepoint) -> bool:
    """Whether every service of the suite can do its work. A service's full name instead of "" asks for that one."""
    answer = savepoint.health.Check(HealthCheckRequest(service=""), timeout=2)
    return bool(answer.status == HealthCheckResponse.SERVING)


def call(method: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q, *, attempts: int = 3, timeout_s: float = 5.0) -> A:
    """Makes a call until it is answered or refused. Only for reads and for requests with a request_id or an etag:
    nobody knows what became of an attempt whose answer is missing."""
    for attempt in range(1, attempts + 1):
        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            failure = failure_of(error)
            if attempt == attempts or not may_be_repeated(failure):
                raise
            time.sleep(failure.retry_after_s or 1.0)
    raise ValueError("attempts must be at least 1")


# The reasons and codes after which the same request, sent again, may succeed.
_AGAIN_REASONS = {"OVERLOADED"}
_AGAIN_CODES = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
# Without a reason these mean that the connection broke in the middle of the answer.
_BROKE_OFF_CODES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED}


def may_be_repeated(failure: Failure) -> bool:
    """Whether the same request may succeed later, under the same request_id."""
    if failure.reason is None and failure.code in _BROKE_OFF_CODES:
        return True
    return failure.reason in _AGAIN_REASONS or failure.code in _AGAIN_CODES


def create_player(savepoint: Savepoint, username: str) -> Player:
    """A new player, and one only, however often the request is sent."""
    request = CreatePlayerRequest(request_id=str(uuid.uuid4()), username=username, email=f"{username}@example.com")
    return call(savepoint.players.CreatePlayer, request).player


def grant_sword(savepoint: Savepoint, player_id: str) -> Item:
    """A gift."""
    grant = ItemGrant(player_id=player_id, item_type="weapon", item_id="sword_of_dawn", quantity=1)
    # Made before the first attempt, and the same for every other one: `call` repeats this very request.
    request = GrantItemRequest(request_id=str(uuid.uuid4()), grant=grant)
    return call(savepoint.items.GrantItem, request).item


# Any fixed UUID of yours.
_EVENTS = uuid.UUID("6d1f3f5e-8e0b-4a37-9d55-0c1c6a8d5a10")


def pay_daily_bonus(savepoint: Savepoint, player_id: str, day: str) -> int:
    """Pays once a day, also when the game server dies in between and another one pays again."""
    request = AdjustCoinsRequest(
        request_id=str(uuid.uuid5(_EVENTS, f"daily_bonus/{day}/{player_id}")),
        player_id=player_id,
        delta=100,
        reason="daily_bonus",
        reference=day,
    )
    return call(savepoint.wallets.AdjustCoins, request).wallet.coins


def spend(savepoint: Savepoint, player_id: str, price: int) -> str:
    """Takes coins, or says how many are missing."""
    request = AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=-price, reason="shop")
    try:
        wallet = call(savepoint.wallets.AdjustCoins, request).wallet
    except grpc.RpcError as error:
        failure = failure_of(error)
        if failure.reason != "INSUFFICIENT_COINS":
            raise
        # Final under this request_id. When the coins are there, the next try is a new request with a new id.
        missing = int(failure.metadata["need"]) - int(failure.metadata["have"])
        return f"{missing} coins are missing"
    return f"{wallet.coins} coins are left"


def rename(savepoint: Savepoint, player_id: str, username: str) -> str:
    """Changes a name, or says which field is wrong with it."""
    request = UpdatePlayerRequest(
        player=Player(player_id=player_id, username=username), update_mask=FieldMask(paths=["username"])
    )
    try:
        return savepoint.players.UpdatePlayer(request, timeout=5).player.username
    except grpc.RpcError as error:
        failure = failure_of(error)
        if failure.reason == "FIELD_INVALID":
            return "; ".join(f"{field} {description}" for field, description in failure.fields.items())
        if failure.reason == "USERNAME_TAKEN":
            return "this name is taken"
        raise


def add_badge(savepoint: Savepoint, player_id: str, badge: str) -> Player:
    """Adds to a player's attributes without losing what others add at the same time."""
    while True:
        player = call(savepoint.players.GetPlayer, GetPlayerRequest(player_id=player_id)).player
        badges = player.attributes.fields["badges"].list_value
        if badge in badges:
            return player
        badges.append(badge)
        # `player` still has the etag that was read: what has changed since is not overwritten. If the answer gets lost,
        # the repetition is refused as ETAG_MISMATCH, and the next round finds the badge.
        request = UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=["attributes"]))
        try:
            return call(savepoint.players.UpdatePlayer, request).player
        except grpc.RpcError as error:
            if failure_of(error).reason != "ETAG_MISMATCH":
                raise


def items_of(savepoint: Savepoint, player_id: str) -> Iterator[Item]:
    """All of a player's items, a page at a time."""
    request = ListItemsRequest(player_id=player_id, page_size=200)
    while True:
        page = call(savepoint.items.ListItems, request)
        yield from page.items
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def players_by_id(savepoint: Savepoint, player_ids: Sequence[str]) -> dict[str, Player]:
    """Up to 1,000 players; those that do not exist are left out."""
    found: dict[str, Player] = {}
    left = list(player_ids)
    while left:
        answer = call(savepoint.players.BatchGetPlayers, BatchGetPlayersRequest(player_ids=left))
        found |= {player.player_id: player for player in answer.players}
        left = list(answer.unread_player_ids)
    return found


def submit_scores(savepoint: Savepoint, board: str, scores: dict[str, int]) -> dict[str, Failure]:
    """Submits up to 1,000 scores; returns why some failed, by entry_id."""
    submissions = [
        ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score) for entry_id, score in scores.items()
    ]
    request = BatchSubmitScoresRequest(request_id=str(uuid.uuid4()), submissions=submissions)
    results = call(savepoint.boards.BatchSubmitScores, request).results
    # The call succeeds where single scores fail: each result says what became of its own.
    return {
        submission.entry_id: failure_in(result.failure)
        for submission, result in zip(submissions, results, strict=True)
        if result.HasField("failure")
    }


def enchant(savepoint: Savepoint, player_id: str) -> Item:
    """Changes an item, and reads it back from wherever it is there already."""
    metadata = Struct()
    metadata["glows"] = True
    sword = {"player_id": player_id, "item_type": "weapon", "item_id": "sword_of_dawn"}
    _, written = savepoint.items.UpdateItemMetadata.with_call(
        UpdateItemMetadataRequest(**sword, metadata=metadata), timeout=5
    )
    # Keep the newest one of each service, with the player's session, say; and bring it along with reads.
    tokens = tuple((key, value) for key, value in written.trailing_metadata() if key == "consistency_token")
    return savepoint.items.GetItem(GetItemRequest(**sword), timeout=5, metadata=tokens).item


def play_match(savepoint: Savepoint, red: str, blue: str) -> Match:
    """A match of two, from its start to what it earns."""
    participants = [MatchParticipant(player_id=red, team=1), MatchParticipant(player_id=blue, team=2)]
    start = StartMatchRequest(request_id=str(uuid.uuid4()), game_mode="duel", participants=participants)
    match_id = call(savepoint.matches.StartMatch, start).match.match_id

    # From here on the match has a name, and every request_id follows from it.
    results = [
        PlayerResult(player_id=red, score=3, mmr_change=12, xp_gained=300),
        PlayerResult(player_id=blue, score=1, mmr_change=-12, xp_gained=100),
    ]
    finish = FinishMatchRequest(
        request_id=str(uuid.uuid5(_EVENTS, f"finish/{match_id}")), match_id=match_id, winner_team=1, results=results
    )
    match = call(savepoint.matches.FinishMatch, finish).match
    progress = BatchApplyProgressRequest(
        request_id=str(uuid.uuid5(_EVENTS, f"progress/{match_id}")),
        changes=[
            ProgressChange(player_id=result.player_id, mmr_delta=result.mmr_change, xp_delta=result.xp_gained)
            for result in results
        ],
    )
    call(savepoint.players.BatchApplyProgress, progress)
    return match


def main() -> None:
    """Makes the calls and prints what comes of them."""
    with connect(GATEWAY) as channel:
        savepoint = Savepoint(channel)
        print("serving:", is_serving(savepoint))

        name = f"ada-{uuid.uuid4().hex[:8]}"
        ada, bob = create_player(savepoint, name).player_id, create_player(savepoint, f"{name}-b").player_id
        print("swords:", grant_sword(savepoint, ada).quantity)
        print("bonus:", pay_daily_bonus(savepoint, ada, "2026-07-01"), pay_daily_bonus(savepoint, ada, "2026-07-01"))
        print("too dear:", spend(savepoint, ada, 250))
        print("bought:", spend(savepoint, ada, 30))
        print("a name with a tab:", rename(savepoint, ada, "a\tda"))
        print("a taken name:", rename(savepoint, bob, name))
        print("badges:", len(add_badge(savepoint, ada, "founder").attributes.fields["badges"].list_value))
        print("glows:", enchant(savepoint, ada).metadata["glows"])
        print("items:", [item.item_id for item in items_of(savepoint, ada)])
        print("players:", len(players_by_id(savepoint, [ada, bob, str(uuid.uuid4())])))

        match = play_match(savepoint, ada, bob)
        print("match: won by team", match.winner_team)
        print("mmr:", [player.mmr for player in players_by_id(savepoint, [ada, bob]).values()])

        board = f"guide-{uuid.uuid4().hex[:8]}"
        create = CreateLeaderboardRequest(leaderboard=Leaderboard(leaderboard_id=board))
        savepoint.boards.CreateLeaderboard(create, timeout=5)
        # The third score is beyond 2^53, and fails alone.
        for entry_id, failure in submit_scores(savepoint, board, {ada: 3, bob: 1, "bot": 2**60}).items():
            print("failed score:", entry_id, failure.reason, list(failure.fields))
        around = call(savepoint.boards.ListAround, ListAroundRequest(leaderboard_id=board, entry_id=bob))
        print("ranks:", [(entry.rank, entry.score) for entry in around.entries])


if __name__ == "__main__":
    main()
