"""What there is to name in a message: players, items, matches, boards, made before the fuzzing begins."""

import asyncio
import random
import uuid
from collections import deque
from contextlib import suppress
from typing import Any

from google.protobuf.struct_pb2 import Struct
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

# One more than a match takes; and, with attributes at their limit, more than fit into an answer.
_PLAYERS, _LARGE_PLAYERS = 201, 300
_BOARDS = 3
_ENTRIES = 20
_MATCHES = 20
_AT_ONCE = 16
_BOUND_S = 30

ITEM_TYPES, ITEM_IDS = ("weapon", "weapon", "weapon", "potion"), ("sword", "sword", "sword", "\U0001f9ea é")
MODES = ("duel", "ranked 2v2")
EVENT_TYPES = ("fuzz.a", "fuzz.b")


def new_id() -> str:
    """A UUID that nobody has."""
    return str(uuid.uuid4())


class World:
    """Ids that exist, and the etags that answers have brought; what is deleted makes room for new ones.
    `large`: all attributes and metadata are near their limits, so that answers are as large as can be."""

    def __init__(self, channel: aio.Channel, *, large: bool = False) -> None:
        self._attributes, self._metadata = _struct(16_000 if large else 10), _struct(64_000 if large else 10)
        self._players, self._wallets = ProfileServiceStub(channel), WalletServiceStub(channel)
        self._items, self._matches = InventoryServiceStub(channel), MatchServiceStub(channel)
        self._leaderboards = LeaderboardServiceStub(channel)
        self._most_players = _LARGE_PLAYERS if large else _PLAYERS
        self.players: list[str] = []
        self.names: deque[str] = deque(maxlen=self._most_players)
        self.boards: list[str] = []
        self.matches: list[str] = []
        self.entries = [f"entry-{number}" for number in range(_ENTRIES)]
        self.etags: deque[str] = deque(["1"], maxlen=50)

    async def make(self) -> None:
        """Makes all of it."""
        room = asyncio.Semaphore(_AT_ONCE)

        async def within_room(player: bool) -> None:
            async with room:
                await (self.add_player() if player else self.add_match())

        await asyncio.gather(*(within_room(player=True) for _ in range(self._most_players)))
        await asyncio.gather(*(within_room(player=False) for _ in range(_MATCHES)))
        for _ in range(_BOARDS):
            await self.add_board()

    async def add_player(self) -> None:
        """A player with coins and an item."""
        name = uuid.uuid4().hex[:24]
        request = profile_pb2.CreatePlayerRequest(
            username=name, email=f"{name}@example.com", attributes=self._attributes
        )
        player = (await self._players.CreatePlayer(request, timeout=_BOUND_S)).player
        adjust = wallet_pb2.AdjustCoinsRequest(
            request_id=new_id(), player_id=player.player_id, delta=1_000_000, reason="fuzz"
        )
        await self._wallets.AdjustCoins(adjust, timeout=_BOUND_S)
        grant = inventory_pb2.ItemGrant(
            player_id=player.player_id, item_type=ITEM_TYPES[0], item_id=ITEM_IDS[0], quantity=1_000,
            metadata=self._metadata,
        )  # fmt: skip
        await self._items.GrantItem(inventory_pb2.GrantItemRequest(request_id=new_id(), grant=grant), timeout=_BOUND_S)
        self.players.append(player.player_id)
        self.names.append(name)

    async def add_match(self) -> None:
        """A match in progress."""
        sides = [match_pb2.MatchParticipant(player_id=self.players[place], team=place) for place in (0, 1)]
        request = match_pb2.StartMatchRequest(request_id=new_id(), game_mode=MODES[0], participants=sides)
        self.matches.append((await self._matches.StartMatch(request, timeout=_BOUND_S)).match.match_id)

    async def add_board(self) -> None:
        """A board with entries."""
        board = f"fuzz-{uuid.uuid4().hex[:12]}"
        create = leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
        await self._leaderboards.CreateLeaderboard(create, timeout=_BOUND_S)
        submissions = [
            leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=entry, score=place, metadata=_struct(10))
            for place, entry in enumerate(self.entries)
        ]
        batch = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions)
        await self._leaderboards.BatchSubmitScores(batch, timeout=_BOUND_S)
        self.boards.append(board)

    async def replace(self, rpc: str, request: Any) -> None:
        """Makes up for what this call has used up. First the new one: there is always one to name."""
        match rpc:
            case "DeletePlayer":
                await self.add_player()
                _forget(self.players, request.player_id)
            case "DeleteLeaderboard":
                await self.add_board()
                _forget(self.boards, request.leaderboard_id)
            case "FinishMatch":
                await self.add_match()
                _forget(self.matches, request.match_id)

    def text(self, name: str, rng: random.Random) -> str:
        """A good value for the text field of that name."""
        match name:
            case "request_id":
                return new_id()
            case "leaderboard_id":
                return rng.choice(self.boards)
            case "entry_id":
                return rng.choice(self.entries)
            case "match_id":
                return rng.choice(self.matches)
            case "item_type":
                return rng.choice(ITEM_TYPES)
            case "item_id":
                return rng.choice(ITEM_IDS)
            case "event_id":
                return new_id()
            case "type" | "types":
                return rng.choice(EVENT_TYPES)
            case "value_field":
                return rng.choice(("n", "nested.n"))
            case "game_mode":
                return rng.choice(MODES)
            case "username":
                return rng.choice((rng.choice(self.names), f"né {uuid.uuid4().hex[:20]}"))
            case "email":
                return rng.choice((rng.choice(self.names), uuid.uuid4().hex)) + "@example.com"
            case "etag":
                return rng.choice(self.etags)
            case "page_token":
                return ""
        return self._player(rng) if name.endswith(("player_id", "player_ids")) else "fuzz"

    def _player(self, rng: random.Random) -> str:
        """One of all; often one of the three newest, so that calls race for the same rows."""
        return self.players[-rng.randrange(1, 4)] if rng.random() < 0.3 else rng.choice(self.players)


def _forget(ids: list[str], gone: str) -> None:
    with suppress(ValueError):
        ids.remove(gone)


def _struct(size: int) -> Struct:
    made = Struct()
    made.update({"skin": "x" * size, "wins": 3, "list": [1, None, True, "é"], "nested": {"a": {}}})
    return made
