"""The service under attack: where it is, and a small and a large answer that can be asked of it."""

import uuid
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

SERVICE = "/savepoint.leaderboard.v1.LeaderboardService/"
_ENTRIES = 250
_METADATA_BYTES = 3_800


@dataclass(frozen=True)
class Target:
    """A leaderboard service that holds one board of entries with metadata."""

    host: str
    port: int
    board: str

    @property
    def address(self) -> str:
        """Its host:port."""
        return f"{self.host}:{self.port}"

    @property
    def get_entry(self) -> bytes:
        """A request whose answer has some 4 KB."""
        return pb.GetEntryRequest(leaderboard_id=self.board, entry_id="entry-0").SerializeToString()

    @property
    def list_top(self) -> bytes:
        """A request whose answer has some LARGE_ANSWER bytes."""
        return pb.ListTopRequest(leaderboard_id=self.board, page_size=_ENTRIES).SerializeToString()


LARGE_ANSWER = _ENTRIES * _METADATA_BYTES


async def prepare(address: str) -> Target:
    """Makes the board that the attacks and the healthy caller ask for, by ordinary calls."""
    board = f"wire-{uuid.uuid4().hex[:12]}"
    metadata = Struct()
    metadata.update({"text": "x" * _METADATA_BYTES})
    async with aio.insecure_channel(address) as channel:
        stub = LeaderboardServiceStub(channel)
        await stub.CreateLeaderboard(
            pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)), timeout=5
        )
        submissions = [
            pb.ScoreSubmission(leaderboard_id=board, entry_id=f"entry-{i}", score=i, metadata=metadata)
            for i in range(_ENTRIES)
        ]
        await stub.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=submissions), timeout=10)
    host, _, port = address.rpartition(":")
    return Target(host, int(port), board)


async def remove(target: Target) -> None:
    """Deletes the board."""
    async with aio.insecure_channel(target.address) as channel:
        await LeaderboardServiceStub(channel).DeleteLeaderboard(
            pb.DeleteLeaderboardRequest(leaderboard_id=target.board), timeout=5
        )
