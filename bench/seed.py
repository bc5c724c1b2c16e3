"""What the operations need to find: a board with entries, players with coins."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

if TYPE_CHECKING:
    # Only in the stubs' types.
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub
    from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceAsyncStub

_AT_ONCE = 32
_BATCH = 1000
_COINS = 1_000_000
_BOUND_S = 20


@dataclass(frozen=True)
class Seed:
    """The ids of what was made. `items`: item_type and item_id of those that every player has, where any has."""

    leaderboard_id: str
    entry_ids: Sequence[str]
    player_ids: Sequence[str]
    items: Sequence[tuple[str, str]] = ()


async def sow(profile: str, leaderboard: str, players: int = 1000, entries: int = 10_000) -> Seed:
    """Makes new players with coins, and a new board, over these targets (host:port)."""
    async with aio.insecure_channel(leaderboard) as channel:
        board, entry_ids = await _board(LeaderboardServiceStub(channel), entries)
    async with aio.insecure_channel(profile) as channel:
        player_ids = await _players(ProfileServiceStub(channel), WalletServiceStub(channel), players)
    return Seed(board, entry_ids, player_ids)


async def _board(stub: "LeaderboardServiceAsyncStub", entries: int) -> tuple[str, list[str]]:
    board = f"bench-{uuid.uuid4().hex[:12]}"
    await stub.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board)),
        timeout=_BOUND_S,
    )
    ids = [str(uuid.uuid4()) for _ in range(entries)]
    for first in range(0, entries, _BATCH):
        submissions = [
            leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=entry, score=random.randrange(1_000_000))
            for entry in ids[first : first + _BATCH]
        ]
        request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions)
        await stub.BatchSubmitScores(request, timeout=_BOUND_S)
    return board, ids


async def _players(profiles: "ProfileServiceAsyncStub", wallets: "WalletServiceAsyncStub", players: int) -> list[str]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def make() -> str:
        async with room:
            name = f"b{uuid.uuid4().hex[:20]}"
            request = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
            player = (await profiles.CreatePlayer(request, timeout=_BOUND_S)).player.player_id
            coins = wallet_pb2.AdjustCoinsRequest(
                request_id=str(uuid.uuid4()), player_id=player, delta=_COINS, reason="bench"
            )
            await wallets.AdjustCoins(coins, timeout=_BOUND_S)
            # The first read puts it into the cache.
            await profiles.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player), timeout=_BOUND_S)
            return str(player)

    return await asyncio.gather(*(make() for _ in range(players)))
