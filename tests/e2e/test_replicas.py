"""Two processes of each service behind the gateway: together they are as right as one."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from prometheus_client.parser import text_string_to_metric_families
from savepoint.inventory.v1 import inventory_pb2 as inventory
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2 as leaderboard
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2 as profile
from savepoint.profile.v1 import wallet_pb2 as wallet
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local import embedded
from deploy.local.embedded import RunningStack
from deploy.local.probes import http_body

if TYPE_CHECKING:
    # Only in the stubs' types.
    from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceAsyncStub
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub
    from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceAsyncStub

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

REPLICAS = 2
CALLS = 200
TURNS = 100
CALLERS = 32
BOUND_S = 20
PAUSE_S = 0.02
# At the least so many calls must end between two kills, so that each kill meets calls on their way.
BETWEEN_KILLS = 200


@dataclass(frozen=True)
class Suite:
    """All services over one channel: the gateway's, or those of the services' first or second processes."""

    players: "ProfileServiceAsyncStub"
    wallets: "WalletServiceAsyncStub"
    items: "InventoryServiceAsyncStub"
    boards: "LeaderboardServiceAsyncStub"

    async def player(self) -> str:
        name = uuid.uuid4().hex[:20]
        request = profile.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        return str((await self.players.CreatePlayer(request, timeout=BOUND_S)).player.player_id)

    async def board(self) -> str:
        board = uuid.uuid4().hex
        await self.boards.CreateLeaderboard(
            leaderboard.CreateLeaderboardRequest(leaderboard=leaderboard.Leaderboard(leaderboard_id=board)),
            timeout=BOUND_S,
        )
        return board


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    async with embedded.stack(tmp_path_factory.mktemp("replicas"), REPLICAS) as running:
        await running.whole()
        yield running


@pytest.fixture(scope="module")
async def suite(stack: RunningStack) -> AsyncIterator[Suite]:
    """Through the gateway, over one connection."""
    async with aio.insecure_channel(stack.gateway) as channel:
        yield over(channel, channel, channel)


@pytest.fixture(scope="module")
async def both(stack: RunningStack) -> AsyncIterator[tuple[Suite, Suite]]:
    """Straight at the first process of each service, and at the second."""
    async with AsyncExitStack() as channels:

        async def suite_of(number: int) -> Suite:
            names = [f"{name}-{number}" for name in ("profile", "inventory", "leaderboard")]
            made = [await channels.enter_async_context(aio.insecure_channel(stack.address(name))) for name in names]
            return over(*made)

        yield await suite_of(1), await suite_of(2)


def over(of_profile: aio.Channel, of_inventory: aio.Channel, of_leaderboard: aio.Channel) -> Suite:
    return Suite(
        ProfileServiceStub(of_profile),
        WalletServiceStub(of_profile),
        InventoryServiceStub(of_inventory),
        LeaderboardServiceStub(of_leaderboard),
    )


def adjusts(player_id: str) -> wallet.AdjustCoinsRequest:
    return wallet.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=1, reason="test")


def grants(player_id: str) -> inventory.GrantItemRequest:
    grant = inventory.ItemGrant(player_id=player_id, item_type="potion", item_id="red", quantity=1)
    return inventory.GrantItemRequest(request_id=str(uuid.uuid4()), grant=grant)


def submits(board: str, entry_id: str, score: int) -> leaderboard.SubmitScoreRequest:
    submission = leaderboard.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score)
    return leaderboard.SubmitScoreRequest(request_id=str(uuid.uuid4()), submission=submission)


async def answered(stack: RunningStack, part: str, method: str) -> float:
    """How many calls of a method a process has answered, by its own metrics."""
    port = int(stack.environment(part)["METRICS_LISTEN"].rpartition(":")[2])
    return sum(
        sample.value
        for family in text_string_to_metric_families(await http_body(port, "/metrics"))
        for sample in family.samples
        if sample.name == "rpc_server_duration_seconds_count" and sample.labels["rpc_method"] == method
    )


async def test_the_calls_of_one_connection_are_spread_over_both(stack: RunningStack, suite: Suite) -> None:
    player_id, board = await suite.player(), await suite.board()
    calls: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {
        ("profile", "GetPlayer"): lambda: suite.players.GetPlayer(profile.GetPlayerRequest(player_id=player_id)),
        ("inventory", "GrantItem"): lambda: suite.items.GrantItem(grants(player_id)),
        ("leaderboard", "SubmitScore"): lambda: suite.boards.SubmitScore(submits(board, "ada", 1)),
    }
    for (name, method), call in calls.items():
        parts = [f"{name}-{number + 1}" for number in range(REPLICAS)]
        before = [await answered(stack, part, method) for part in parts]
        for _ in range(CALLS // 4):
            await asyncio.gather(*(call() for _ in range(4)))
        shares = [await answered(stack, part, method) - n for part, n in zip(parts, before, strict=True)]
        assert sum(shares) == CALLS, name
        assert min(shares) > CALLS / 4, name


async def test_inventory_spreads_its_questions_over_both_of_profile(stack: RunningStack, suite: Suite) -> None:
    parts = ["profile-1", "profile-2"]
    before = [await answered(stack, part, "BatchGetPlayers") for part in parts]
    for _ in range(16):
        await suite.items.GrantItem(grants(await suite.player()), timeout=BOUND_S)
    asked = [await answered(stack, part, "BatchGetPlayers") - n for part, n in zip(parts, before, strict=True)]
    assert sum(asked) == 16
    assert min(asked) >= 4


async def test_what_one_has_written_the_other_reads_at_once(both: tuple[Suite, Suite]) -> None:
    player_id, board = await both[0].player(), await both[0].board()
    finished = asyncio.Event()

    async def read_all_the_time(suite: Suite) -> None:
        # So that each of them has, or is just about to have, the player and the board as they were.
        while not finished.is_set():
            await suite.players.GetPlayer(profile.GetPlayerRequest(player_id=player_id))
            await suite.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=board, page_size=10))

    readers = [asyncio.create_task(read_all_the_time(suite)) for suite in both for _ in range(2)]
    for turn in range(1, TURNS + 1):
        writer, reader = both[:: 1 if turn % 2 else -1]
        attributes = Struct()
        attributes["turn"] = turn
        await writer.players.UpdatePlayer(
            profile.UpdatePlayerRequest(
                player=profile.Player(player_id=player_id, attributes=attributes),
                update_mask=FieldMask(paths=["attributes"]),
            )
        )
        player = (await reader.players.GetPlayer(profile.GetPlayerRequest(player_id=player_id))).player
        assert player.attributes["turn"] == turn
        await writer.wallets.AdjustCoins(adjusts(player_id))
        player = (await reader.players.GetPlayer(profile.GetPlayerRequest(player_id=player_id))).player
        assert player.coins == turn
        await writer.items.GrantItem(grants(player_id))
        asked = inventory.GetItemRequest(player_id=player_id, item_type="potion", item_id="red")
        assert (await reader.items.GetItem(asked)).item.quantity == turn
        await writer.boards.SubmitScore(submits(board, f"entry-{turn}", turn))
        top = (await reader.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=board, page_size=10))).entries
        assert [entry.score for entry in top] == [*range(turn, max(0, turn - 10), -1)]
    finished.set()
    await asyncio.gather(*readers)


async def test_the_same_request_id_at_both_at_once_takes_effect_once(both: tuple[Suite, Suite]) -> None:
    player_id, board = await both[0].player(), await both[0].board()
    for turn in range(1, TURNS + 1):
        coin, item, score = adjusts(player_id), grants(player_id), submits(board, "ada", turn)
        coins = await asyncio.gather(*(suite.wallets.AdjustCoins(coin) for suite in both for _ in range(2)))
        items = await asyncio.gather(*(suite.items.GrantItem(item) for suite in both for _ in range(2)))
        scores = await asyncio.gather(*(suite.boards.SubmitScore(score) for suite in both for _ in range(2)))
        for answers in (coins, items, scores):
            assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert coins[0].wallet.coins == turn
        assert items[0].item.quantity == turn
        assert scores[0].previous_entry.score == turn - 1
        assert scores[0].changed


@dataclass
class Caller:
    """One who earns coins and items and scores, repeats under the same request_id what had no answer, and compares what
    he is told with what he knows."""

    suite: Suite
    player_id: str
    board: str
    done: int = 0
    unanswered: int = 0

    async def turn(self) -> None:
        suite, player_id, wanted = self.suite, self.player_id, self.done + 1
        adjusted = await self.answer(suite.wallets.AdjustCoins, adjusts(player_id))
        player = await self.answer(suite.players.GetPlayer, profile.GetPlayerRequest(player_id=player_id))
        granted = await self.answer(suite.items.GrantItem, grants(player_id))
        submitted = await self.answer(suite.boards.SubmitScore, submits(self.board, player_id, wanted))
        asks = leaderboard.GetEntryRequest(leaderboard_id=self.board, entry_id=player_id)
        found = await self.answer(suite.boards.GetEntry, asks)
        assert (adjusted.wallet.coins, player.player.coins) == (wanted, wanted)
        assert granted.item.quantity == wanted
        assert (submitted.entry.score, found.entry.score) == (wanted, wanted)
        self.done = wanted

    async def answer(self, rpc: "aio.UnaryUnaryMultiCallable[Asked, Answered]", request: Asked) -> Answered:
        while True:
            try:
                return await rpc(request, timeout=BOUND_S)
            except aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            self.unanswered += 1
            await asyncio.sleep(PAUSE_S)


async def test_callers_see_nothing_wrong_when_processes_are_killed(stack: RunningStack, suite: Suite) -> None:
    board = await suite.board()
    callers = [Caller(suite, await suite.player(), board) for _ in range(CALLERS)]
    finished = asyncio.Event()

    async def goes_on(caller: Caller) -> None:
        while not finished.is_set():
            await caller.turn()

    async def some_turns_later() -> None:
        wanted = sum(caller.done for caller in callers) + BETWEEN_KILLS
        async with asyncio.timeout(BOUND_S):
            while sum(caller.done for caller in callers) < wanted and not any(task.done() for task in tasks):
                await asyncio.sleep(PAUSE_S)

    tasks = [asyncio.create_task(goes_on(caller)) for caller in callers]
    for part in ("profile-1", "inventory-2", "leaderboard-1", "profile-2", "inventory-1", "leaderboard-2"):
        await some_turns_later()
        before = stack.pid(part)
        await stack.kill(part)
        # With the other one alone it goes on.
        await some_turns_later()
        await stack.whole()
        assert stack.pid(part) != before
    finished.set()
    await asyncio.gather(*tasks)
    assert sum(caller.unanswered for caller in callers) > 0, "the kills have met no call"
    entries = (await suite.boards.ListTop(leaderboard.ListTopRequest(leaderboard_id=board, page_size=100))).entries
    assert {entry.entry_id: entry.score for entry in entries} == {caller.player_id: caller.done for caller in callers}
