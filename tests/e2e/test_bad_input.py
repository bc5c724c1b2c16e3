"""Bad input through the gateway: each gets the status, reason and field of docs/errors.md, never INTERNAL or
UNKNOWN, and nothing is changed by it."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2 as inventory
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2 as leaderboard
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1 import match_pb2 as match
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2 as profile
from savepoint.profile.v1 import wallet_pb2 as wallet
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.support.errors import failure

INVALID, NOT_FOUND, EXISTS, UNMET = "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"
BOARD, SWORD, COINS = "bad-input", "sword", 2**63 - 1


def struct(**fields: Any) -> Struct:
    made = Struct()
    made.update(fields)
    return made


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class World:
    """Two players, one of them as rich as can be and with a sword; a match; a board with a score."""

    channel: aio.Channel
    rich: str = ""
    poor: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        self.profiles, self.wallets = ProfileServiceStub(self.channel), WalletServiceStub(self.channel)
        self.items, self.matches = InventoryServiceStub(self.channel), MatchServiceStub(self.channel)
        self.boards = LeaderboardServiceStub(self.channel)

    async def make(self) -> None:
        self.name = uuid.uuid4().hex
        for field in ("rich", "poor"):
            request = self.player(username=f"{field[0]}{self.name[:20]}", email=f"{field}.{self.name}@example.com")
            setattr(self, field, (await self.profiles.CreatePlayer(request)).player.player_id)
        await self.wallets.AdjustCoins(self.adjust(delta=COINS))
        await self.wallets.AdjustCoins(self.adjust(player_id=self.poor, delta=10))
        await self.items.GrantItem(self.grant())
        await self.boards.CreateLeaderboard(
            leaderboard.CreateLeaderboardRequest(leaderboard=leaderboard.Leaderboard(leaderboard_id=BOARD))
        )
        await self.boards.SubmitScore(self.score())
        await self.matches.RecordMatch(self.record())

    async def state(self) -> list[Any]:
        """All that bad input must leave alone."""
        players = await self.profiles.BatchGetPlayers(profile.BatchGetPlayersRequest(player_ids=[self.rich, self.poor]))
        wallets = [
            await self.wallets.GetWallet(wallet.GetWalletRequest(player_id=player_id))
            for player_id in (self.rich, self.poor)
        ]
        everyone = await self.profiles.ListPlayers(profile.ListPlayersRequest(page_size=1000))
        items = await self.items.ListItems(inventory.ListItemsRequest(player_id=self.rich))
        nothing = await self.items.ListItems(inventory.ListItemsRequest(player_id=self.poor))
        matches = await self.matches.ListMatches(match.ListMatchesRequest())
        top = await self.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=BOARD))
        return [players, wallets, everyone, items, nothing, matches, top]

    def player(self, **fields: Any) -> profile.CreatePlayerRequest:
        unique = uuid.uuid4().hex[:20]
        return profile.CreatePlayerRequest(**{"username": unique, "email": f"{unique}@example.com", **fields})

    def adjust(self, **fields: Any) -> wallet.AdjustCoinsRequest:
        return wallet.AdjustCoinsRequest(
            **{"request_id": new_id(), "player_id": self.rich, "delta": 1, "reason": "test", **fields}
        )

    def transfer(self, **fields: Any) -> wallet.TransferCoinsRequest:
        ends = {"sender_player_id": self.poor, "receiver_player_id": self.rich}
        return wallet.TransferCoinsRequest(**{"request_id": new_id(), **ends, "amount": 1, "reason": "test", **fields})

    def grant(self, **fields: Any) -> inventory.GrantItemRequest:
        item = {"player_id": self.rich, "item_type": "weapon", "item_id": SWORD, "quantity": 1}
        request_id = fields.pop("request_id", new_id())
        return inventory.GrantItemRequest(request_id=request_id, grant=inventory.ItemGrant(**{**item, **fields}))

    def consume(self, **fields: Any) -> inventory.ConsumeItemRequest:
        item = {"player_id": self.rich, "item_type": "weapon", "item_id": SWORD, "quantity": 1}
        return inventory.ConsumeItemRequest(**{"request_id": new_id(), **item, **fields})

    def record(self, request_id: str | None = None, **fields: Any) -> match.RecordMatchRequest:
        players = [match.MatchPlayer(player_id=self.rich, team=1), match.MatchPlayer(player_id=self.poor, team=2)]
        return match.RecordMatchRequest(
            request_id=new_id() if request_id is None else request_id,
            match=match.Match(**{"game_mode": "duel", "players": players, **fields}),
        )

    def score(self, **fields: Any) -> leaderboard.SubmitScoreRequest:
        submission = {"leaderboard_id": BOARD, "entry_id": "somebody", "score": 100, **fields}
        return leaderboard.SubmitScoreRequest(submission=leaderboard.ScoreSubmission(**submission))


@pytest.fixture(scope="module")
async def world(gateway: aio.Channel) -> World:
    made = World(gateway)
    await made.make()
    return made


Call = Callable[[World], Awaitable[Any]]
HUGE = "x" * (5 * 1024 * 1024)

# What is tried, and the status, reason and field it gets.
CASES: dict[str, tuple[Call, str, str, str]] = {
    "malformed uuid": (
        lambda w: w.profiles.GetPlayer(profile.GetPlayerRequest(player_id="not-a-uuid")),
        INVALID, "FIELD_INVALID", "player_id",
    ),
    "malformed uuid in a batch": (
        lambda w: w.profiles.BatchGetPlayers(profile.BatchGetPlayersRequest(player_ids=[w.rich, "x"])),
        INVALID, "FIELD_INVALID", "player_ids[1]",
    ),
    "unknown player": (
        lambda w: w.profiles.GetPlayer(profile.GetPlayerRequest(player_id=new_id())),
        NOT_FOUND, "PLAYER_NOT_FOUND", "",
    ),
    "wallet of an unknown player": (
        lambda w: w.wallets.GetWallet(wallet.GetWalletRequest(player_id=new_id())),
        NOT_FOUND, "PLAYER_NOT_FOUND", "",
    ),
    "item for an unknown player": (
        lambda w: w.items.GrantItem(w.grant(player_id=new_id())),
        NOT_FOUND, "PLAYER_NOT_FOUND", "",
    ),
    "match with an unknown player": (
        lambda w: w.matches.RecordMatch(w.record(players=[match.MatchPlayer(player_id=new_id())])),
        NOT_FOUND, "PLAYER_NOT_FOUND", "",
    ),
    "empty username": (
        lambda w: w.profiles.CreatePlayer(w.player(username="")), INVALID, "FIELD_INVALID", "username",
    ),
    "33-character username": (
        lambda w: w.profiles.CreatePlayer(w.player(username="x" * 33)), INVALID, "FIELD_INVALID", "username",
    ),
    "taken username": (
        lambda w: w.profiles.CreatePlayer(w.player(username=f"r{w.name[:20]}")), EXISTS, "USERNAME_TAKEN", "",
    ),
    "taken email": (
        lambda w: w.profiles.CreatePlayer(w.player(email=f"RICH.{w.name}@example.com")), EXISTS, "EMAIL_TAKEN", "",
    ),
    "an email that is none": (
        lambda w: w.profiles.CreatePlayer(w.player(email="nobody")), INVALID, "FIELD_INVALID", "email",
    ),
    "zero coins": (lambda w: w.wallets.AdjustCoins(w.adjust(delta=0)), INVALID, "FIELD_INVALID", "delta"),
    "transfer of zero": (
        lambda w: w.wallets.TransferCoins(w.transfer(amount=0)), INVALID, "FIELD_INVALID", "amount",
    ),
    "transfer of less than zero": (
        lambda w: w.wallets.TransferCoins(w.transfer(amount=-5)), INVALID, "FIELD_INVALID", "amount",
    ),
    "transfer of the smallest number there is": (
        lambda w: w.wallets.TransferCoins(w.transfer(amount=-(2**63))), INVALID, "FIELD_INVALID", "amount",
    ),
    "overdraft": (
        lambda w: w.wallets.AdjustCoins(w.adjust(player_id=w.poor, delta=-11)), UNMET, "INSUFFICIENT_COINS", "",
    ),
    "overdraft by the smallest number there is": (
        lambda w: w.wallets.AdjustCoins(w.adjust(delta=-(2**63))), INVALID, "FIELD_INVALID", "delta",
    ),
    "2^63-1 coins and one more": (lambda w: w.wallets.AdjustCoins(w.adjust()), UNMET, "COINS_LIMIT", ""),
    "2^63-1 coins and one more by transfer": (
        lambda w: w.wallets.TransferCoins(w.transfer()), UNMET, "COINS_LIMIT", "",
    ),
    "no request_id": (
        lambda w: w.wallets.AdjustCoins(w.adjust(request_id="")), INVALID, "FIELD_INVALID", "request_id",
    ),
    "malformed request_id": (
        lambda w: w.items.GrantItem(w.grant(request_id="7")), INVALID, "FIELD_INVALID", "request_id",
    ),
    "items, less than one": (
        lambda w: w.items.GrantItem(w.grant(quantity=0)), INVALID, "FIELD_INVALID", "grant.quantity",
    ),
    "items, less than none": (
        lambda w: w.items.ConsumeItem(w.consume(quantity=-1)), INVALID, "FIELD_INVALID", "quantity",
    ),
    "more items than there are": (
        lambda w: w.items.ConsumeItem(w.consume(quantity=2)), UNMET, "INSUFFICIENT_QUANTITY", "",
    ),
    "more items than can be counted": (
        lambda w: w.items.GrantItem(w.grant(quantity=2**63 - 1)), UNMET, "QUANTITY_LIMIT", "",
    ),
    "an item nobody has": (
        lambda w: w.items.GetItem(
            inventory.GetItemRequest(player_id=w.rich, item_type="weapon", item_id="spoon")
        ),
        NOT_FOUND, "ITEM_NOT_FOUND", "",
    ),
    "NaN in metadata": (
        lambda w: w.items.GrantItem(w.grant(metadata=struct(a=float("nan")))),
        INVALID, "FIELD_INVALID", "grant.metadata.a",
    ),
    "infinity in attributes": (
        lambda w: w.profiles.CreatePlayer(w.player(attributes=struct(a=[float("inf")]))),
        INVALID, "FIELD_INVALID", "attributes.a[0]",
    ),
    "300 KB of metadata": (
        lambda w: w.items.GrantItem(w.grant(metadata=struct(a="x" * 300_000))),
        INVALID, "FIELD_INVALID", "grant.metadata",
    ),
    "300 KB of metadata of a match": (
        lambda w: w.matches.RecordMatch(w.record(metadata=struct(a="x" * 300_000))),
        INVALID, "FIELD_INVALID", "match.metadata",
    ),
    "5 KB of metadata of an entry": (
        lambda w: w.boards.SubmitScore(w.score(metadata=struct(a="x" * 5_000))),
        INVALID, "FIELD_INVALID", "submission.metadata",
    ),
    "NUL in a name": (
        lambda w: w.profiles.CreatePlayer(w.player(username="a\0b")), INVALID, "FIELD_INVALID", "username",
    ),
    "NUL in metadata": (
        lambda w: w.items.GrantItem(w.grant(metadata=struct(a="x\0y"))), INVALID, "FIELD_INVALID", "grant.metadata.a",
    ),
    "NUL in a key of metadata": (
        lambda w: w.items.GrantItem(w.grant(metadata=struct(**{"x\0y": 1}))),
        INVALID, "FIELD_INVALID", "grant.metadata",
    ),
    "NUL in an entry": (
        lambda w: w.boards.SubmitScore(w.score(entry_id="a\0b")), INVALID, "FIELD_INVALID", "submission.entry_id",
    ),
    "a score beyond 2^53": (
        lambda w: w.boards.SubmitScore(w.score(score=2**53 + 1)), INVALID, "FIELD_INVALID", "submission.score",
    ),
    "a score beyond -2^53": (
        lambda w: w.boards.SubmitScore(w.score(score=-(2**53) - 1)), INVALID, "FIELD_INVALID", "submission.score",
    ),
    "a board that is not there": (
        lambda w: w.boards.SubmitScore(w.score(leaderboard_id="nowhere")), NOT_FOUND, "LEADERBOARD_NOT_FOUND", "",
    ),
    "a board's id that is none": (
        lambda w: w.boards.SubmitScore(w.score(leaderboard_id="No Board!")),
        INVALID, "FIELD_INVALID", "submission.leaderboard_id",
    ),
    "page_size -1": (
        lambda w: w.profiles.ListPlayers(profile.ListPlayersRequest(page_size=-1)),
        INVALID, "FIELD_INVALID", "page_size",
    ),
    "page_size -1 of a board": (
        lambda w: w.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=BOARD, page_size=-1)),
        INVALID, "FIELD_INVALID", "page_size",
    ),
    "a forged page token": (
        lambda w: w.profiles.ListPlayers(profile.ListPlayersRequest(page_token="bm90IGEgdG9rZW4")),
        INVALID, "FIELD_INVALID", "page_token",
    ),
    "a forged page token of items": (
        lambda w: w.items.ListItems(inventory.ListItemsRequest(player_id=w.rich, page_token="AAAA")),
        INVALID, "FIELD_INVALID", "page_token",
    ),
    "a forged page token of matches": (
        lambda w: w.matches.ListMatches(match.ListMatchesRequest(page_token="' OR 1=1; --")),
        INVALID, "FIELD_INVALID", "page_token",
    ),
    "a forged page token of a board": (
        lambda w: w.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=BOARD, page_token="e30")),
        INVALID, "FIELD_INVALID", "page_token",
    ),
    "a 5 MB message": (
        lambda w: w.profiles.CreatePlayer(w.player(attributes=struct(a=HUGE))), INVALID, "FIELD_INVALID", "request",
    ),
    "a 5 MB message for a board": (
        lambda w: w.boards.SubmitScore(w.score(metadata=struct(a=HUGE))), INVALID, "FIELD_INVALID", "request",
    ),
    "a batch of none": (
        lambda w: w.profiles.BatchGetPlayers(profile.BatchGetPlayersRequest()), INVALID, "FIELD_INVALID", "player_ids",
    ),
    "a batch of 1,001": (
        lambda w: w.profiles.BatchGetPlayers(profile.BatchGetPlayersRequest(player_ids=[w.rich] * 1001)),
        INVALID, "FIELD_INVALID", "player_ids",
    ),
    "the same player twice in a match": (
        lambda w: w.matches.RecordMatch(w.record(players=[match.MatchPlayer(player_id=w.rich)] * 2)),
        INVALID, "FIELD_INVALID", "match.players[1].player_id",
    ),
    "a match without players": (
        lambda w: w.matches.RecordMatch(w.record(players=[])), INVALID, "FIELD_INVALID", "match.players",
    ),
    "a match that is not there": (
        lambda w: w.matches.GetMatch(match.GetMatchRequest(match_id=new_id())), NOT_FOUND, "MATCH_NOT_FOUND", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_bad_input_is_answered_as_documented_and_changes_nothing(world: World, case: str) -> None:
    call, code, reason, field = CASES[case]
    before = await world.state()
    failed = await failure(call(world))
    assert (failed.code.name, failed.reason, failed.field) == (code, reason, field)
    assert failed.message
    assert await world.state() == before


async def test_a_page_as_large_as_one_likes_is_cut(world: World) -> None:
    # Not an error: the most a page holds is what one gets.
    await world.profiles.ListPlayers(profile.ListPlayersRequest(page_size=10**9))
    await world.items.ListItems(inventory.ListItemsRequest(player_id=world.rich, page_size=10**9))
    await world.matches.ListMatches(match.ListMatchesRequest(page_size=10**9))
    await world.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=BOARD, page_size=10**9))


@pytest.mark.parametrize(
    "method",
    [
        "/savepoint.profile.v1.ProfileService/Nonsense",
        "/savepoint.leaderboard.v1.Nonsense/SubmitScore",
        "/savepoint.nonsense.v1.Nonsense/Nonsense",
        "/nonsense.Nonsense/Nonsense",
    ],
)
async def test_an_unknown_method_is_unimplemented(gateway: aio.Channel, method: str) -> None:
    call: aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.unary_unary(method)
    assert (await failure(call(b""))).code.name == "UNIMPLEMENTED"


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b'{"player_id": "not protobuf but json"}', b"\x0a\x7fshort"])
@pytest.mark.parametrize(
    "method",
    [
        "/savepoint.profile.v1.ProfileService/CreatePlayer",
        "/savepoint.inventory.v1.InventoryService/GrantItem",
        "/savepoint.match.v1.MatchService/RecordMatch",
        "/savepoint.leaderboard.v1.LeaderboardService/SubmitScore",
        "/grpc.health.v1.Health/Check",
    ],
)
async def test_bytes_that_are_no_message_are_the_callers_fault(gateway: aio.Channel, method: str, raw: bytes) -> None:
    call: aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.unary_unary(method)
    failed = await failure(call(raw))
    assert (failed.code.name, failed.reason, failed.field) == (INVALID, "FIELD_INVALID", "request")


async def test_a_name_that_looks_like_sql_is_a_name(world: World) -> None:
    name = "'; DROP TABLE players; --"
    made = (await world.profiles.CreatePlayer(world.player(username=name))).player
    found = (await world.profiles.LookupPlayer(profile.LookupPlayerRequest(username=name))).player
    assert found == made
    assert found.username == name
    assert (await world.profiles.GetPlayer(profile.GetPlayerRequest(player_id=world.rich))).player.coins == COINS
