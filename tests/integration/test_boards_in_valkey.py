"""Boards in Valkey: their scripts, and what they leave behind."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

import pytest
from redis.asyncio import Redis
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local.stores import Stores
from services.leaderboard.boards.valkey_store import CREATE_LEADERBOARD, DELETE_LEADERBOARD, REMOVE_ENTRY
from shared.stores import valkey
from shared.stores.valkey import Valkey
from shared.telemetry.store import StoreTelemetry
from tests.support.service import Service

if TYPE_CHECKING:
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub

Ranks: TypeAlias = "LeaderboardServiceAsyncStub"


@pytest.fixture
def ranks(leaderboard: Service) -> Ranks:
    return LeaderboardServiceStub(leaderboard.channel)


@pytest.fixture
async def board(ranks: Ranks) -> str:
    """A new, empty board."""
    leaderboard_id = f"board-{uuid.uuid4().hex}"
    await ranks.CreateLeaderboard(
        pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=leaderboard_id))
    )
    return leaderboard_id


@pytest.fixture(scope="session")
async def ranks_server(stores: Stores, store_telemetry: StoreTelemetry) -> AsyncIterator[Valkey]:
    """The Valkey of the boards."""
    async with valkey.connect(stores.ranks_url, store_telemetry, answer_timeout_s=2, start_timeout_s=5) as connected:
        yield connected


async def submit(ranks: Ranks, board: str, entry_id: str, score: int) -> None:
    submission = pb.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score)
    await ranks.SubmitScore(pb.SubmitScoreRequest(submission=submission))


async def top(ranks: Ranks, board: str) -> list[tuple[str, int, int]]:
    answer = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_size=1000))
    return [(entry.entry_id, entry.score, entry.rank) for entry in answer.entries]


async def test_a_server_that_lost_its_scripts_is_given_them_again(ranks: Ranks, board: str, stores: Stores) -> None:
    await submit(ranks, board, "ann", 1)
    async with Redis.from_url(stores.ranks_url, protocol=3) as server:
        await server.script_flush()
        await asyncio.gather(*(submit(ranks, board, f"p{number}", number) for number in range(20)))
        await server.script_flush()
    assert len(await top(ranks, board)) == 21


async def test_a_call_that_is_sent_again_finds_its_own_work(ranks: Ranks, ranks_server: Valkey, board: str) -> None:
    """As when a connection breaks before the answer is read."""
    keys = [f"board:{{{board}}}{part}" for part in ("", ":ranks", ":entries", ":call:1")]
    await submit(ranks, board, "ann", 1)
    assert await ranks_server.run(REMOVE_ENTRY, keys, ["ann", 60]) == 1
    await submit(ranks, board, "ann", 2)
    assert await ranks_server.run(REMOVE_ENTRY, keys, ["ann", 60]) == 1
    assert await top(ranks, board) == [("ann", 2, 1)]
    keys[3] = f"board:{{{board}}}:call:2"
    assert await ranks_server.run(DELETE_LEADERBOARD, keys, [60]) == 1
    created = await ranks_server.run(CREATE_LEADERBOARD, keys[:1], ["3"])
    assert await ranks_server.run(CREATE_LEADERBOARD, keys[:1], ["3"]) == created
    assert await ranks_server.run(CREATE_LEADERBOARD, keys[:1], ["4"]) is None
    assert await ranks_server.run(DELETE_LEADERBOARD, keys, [60]) == 1
    assert await top(ranks, board) == []


async def test_what_a_board_leaves_behind_ends_by_itself(ranks: Ranks, board: str, stores: Stores) -> None:
    request_id = str(uuid.uuid4())
    await ranks.SubmitScore(
        pb.SubmitScoreRequest(
            request_id=request_id, submission=pb.ScoreSubmission(leaderboard_id=board, entry_id="ann", score=1)
        )
    )
    await ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id="ann"))
    await ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
    async with Redis.from_url(stores.ranks_url, protocol=3, decode_responses=True) as server:
        left = {key: await server.ttl(key) async for key in server.scan_iter(f"board:{{{board}}}*")}
    hour = 3600
    assert hour - 60 < left.pop(f"board:{{{board}}}:request:{request_id}") <= hour
    assert len(left) == 2
    assert all(0 < seconds <= 60 for seconds in left.values())
