"""Boards as tests make and fill them, and scripts as an earlier release runs them on the same boards."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.struct_pb2 import Struct
from redis.asyncio import Redis
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from shared.contract.json_struct import to_json

if TYPE_CHECKING:
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub

Ranks: TypeAlias = "LeaderboardServiceAsyncStub"

_LUA_OF_0_2 = Path(__file__).parent.parent / "fixtures" / "release_0_2" / "lua"


async def new_board(ranks: Ranks) -> str:
    """A new, empty board."""
    leaderboard_id = f"board-{uuid.uuid4().hex}"
    await ranks.CreateLeaderboard(
        pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=leaderboard_id))
    )
    return leaderboard_id


def submission(board: str, entry_id: str, score: int, subscore: int = 0, note: str = "") -> pb.ScoreSubmission:
    """A score to be set; with a note, it has that as metadata."""
    metadata = None
    if note:
        metadata = Struct()
        metadata["note"] = note
    return pb.ScoreSubmission(
        leaderboard_id=board, entry_id=entry_id, score=score, subscore=subscore, metadata=metadata
    )


def keys(board: str) -> list[str]:
    """The keys of a board: itself, its ranks, its entries."""
    return [f"board:{{{board}}}{part}" for part in ("", ":ranks", ":entries")]


async def submit_as_0_2(
    server: Redis,
    board: str,
    submissions: Sequence[pb.ScoreSubmission],
    *,
    request_id: str = "",
    fingerprint: bytes = b"",
    brief: bool = False,
) -> Any:
    """What the script of 0.2.0 answers. `brief` as for a batch."""
    args: list[str | bytes | int] = [fingerprint, 3600, "1" if brief else ""]
    for one in submissions:
        note = to_json(one.metadata, "metadata", 4096) if one.HasField("metadata") else ""
        args += [one.entry_id, one.score, one.subscore, f"{one.subscore + 2**63:016x}", note]
    names = keys(board)
    if request_id:
        names.append(f"board:{{{board}}}:request:{request_id}")
    return await server.eval((_LUA_OF_0_2 / "submit_scores.lua").read_text(), len(names), *names, *args)


async def remove_as_0_2(server: Redis, board: str, entry_id: str) -> Any:
    """Likewise for an entry to be removed."""
    names = [*keys(board), f"board:{{{board}}}:call:{uuid.uuid4().hex}"]
    return await server.eval((_LUA_OF_0_2 / "remove_entry.lua").read_text(), len(names), *names, entry_id, 60)
