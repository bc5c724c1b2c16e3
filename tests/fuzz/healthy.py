"""Callers who do everything right, on the connection that the fuzzer uses: none of their calls may fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grpc import aio
from savepoint.gamelog.v1 import gamelog_pb2
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.fuzz.world import new_id

_BOUND_S = 15
# Between two calls of one caller: they are here to notice, not to load.
_PAUSE_S = 0.005

# Returns what is wrong with the answer, if anything.
Step = Callable[[], Awaitable[str | None]]


@dataclass
class Healthy:
    """How their calls went: those that failed, or were answered wrongly, by name."""

    calls: int = 0
    failures: list[str] = field(default_factory=list)

    async def take(self, name: str, step: Step) -> None:
        """Counts one step, and what went wrong with it."""
        try:
            wrong = await step()
        except aio.AioRpcError as error:
            wrong = f"{error.code().name}: {(error.details() or '')[:300]}"
        self.calls += 1
        if wrong:
            self.failures.append(f"{name}: {wrong}")


@asynccontextmanager
async def callers(channel: aio.Channel, each: int) -> AsyncIterator[Healthy]:
    """So many callers of each service while the context is open."""
    seen = Healthy()
    over = asyncio.Event()
    steps = [step for number in range(each) for step in await _steps(channel, number)]
    tasks = [asyncio.create_task(_repeat(step, over, seen)) for step in steps]
    try:
        yield seen
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _repeat(step: Step, over: asyncio.Event, seen: Healthy) -> None:
    while not over.is_set():
        await seen.take(step.__name__, step)
        await asyncio.sleep(_PAUSE_S)


async def _steps(channel: aio.Channel, number: int) -> list[Step]:
    """What a caller of each service does over and over, on a player, an item and an entry of its own."""
    players, wallets = ProfileServiceStub(channel), WalletServiceStub(channel)
    items, matches, boards = InventoryServiceStub(channel), MatchServiceStub(channel), LeaderboardServiceStub(channel)
    log = GameLogServiceStub(channel)
    name = f"healthy-{number}-{new_id()[:8]}"
    create = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
    me = (await players.CreatePlayer(create, timeout=_BOUND_S)).player.player_id
    await boards.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=name)),
        timeout=_BOUND_S,
    )
    coins, quantity, score = _count(), _count(), _count()

    async def profile() -> str:
        answer = await players.GetPlayer(profile_pb2.GetPlayerRequest(player_id=me), timeout=_BOUND_S)
        return "" if answer.player.username == name else f"another player: {answer.player.username}"

    async def wallet() -> str:
        due = next(coins)
        request = wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=me, delta=1, reason="healthy")
        answer = await wallets.AdjustCoins(request, timeout=_BOUND_S)
        return "" if answer.wallet.coins == due else f"{answer.wallet.coins} coins where {due} are due"

    async def inventory() -> str:
        due = next(quantity)
        request = inventory_pb2.GrantItemRequest(
            request_id=new_id(),
            grant=inventory_pb2.ItemGrant(player_id=me, item_type="weapon", item_id="sword", quantity=1),
        )
        answer = await items.GrantItem(request, timeout=_BOUND_S)
        return "" if answer.item.quantity == due else f"{answer.item.quantity} items where {due} are due"

    async def match() -> str:
        request = match_pb2.StartMatchRequest(
            request_id=new_id(), game_mode="healthy", participants=[match_pb2.MatchParticipant(player_id=me)]
        )
        answer = await matches.StartMatch(request, timeout=_BOUND_S)
        return "" if answer.match.players[0].player_id == me else "another player's match"

    async def leaderboard() -> str:
        due = next(score)
        request = leaderboard_pb2.SubmitScoreRequest(
            submission=leaderboard_pb2.ScoreSubmission(leaderboard_id=name, entry_id=name, score=due)
        )
        answer = await boards.SubmitScore(request, timeout=_BOUND_S)
        return "" if (answer.entry.score, answer.entry.rank) == (due, 1) else f"another entry: {answer.entry}"

    async def gamelog() -> str:
        due = gamelog_pb2.Event(event_id=new_id(), type="healthy", player_id=me)
        appended = await log.AppendEvents(gamelog_pb2.AppendEventsRequest(events=[due]), timeout=_BOUND_S)
        query = gamelog_pb2.QueryEventsRequest(filter=gamelog_pb2.EventFilter(player_id=me), page_size=1)
        found = (await log.QueryEvents(query, timeout=_BOUND_S)).events
        right = appended.stored == 1 and [one.event_id for one in found] == [due.event_id]
        return "" if right else f"another event: {found}"

    async def lists() -> str:
        await players.ListPlayers(profile_pb2.ListPlayersRequest(page_size=20), timeout=_BOUND_S)
        await items.ListItems(inventory_pb2.ListItemsRequest(player_id=me), timeout=_BOUND_S)
        await matches.ListMatches(match_pb2.ListMatchesRequest(page_size=20), timeout=_BOUND_S)
        top = await boards.ListTop(leaderboard_pb2.ListTopRequest(leaderboard_id=name), timeout=_BOUND_S)
        return "" if len(top.entries) <= 1 else "a board with another's entries"

    return [profile, wallet, inventory, match, leaderboard, gamelog, lists]


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number
