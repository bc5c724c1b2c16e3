"""Boards and their entries as protobuf messages."""

from google.protobuf.timestamp_pb2 import Timestamp
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from services.leaderboard.boards.types import Entry, Leaderboard
from shared.contract import json_struct
from shared.contract.errors import SavepointError
from shared.contract.renumbered import renumbered
from shared.rpc import status

# In 0.1 a SubmitScoreRequest had no submission within it, but its fields, and behind them the request_id.
_SUBMIT_REQUEST_ID_OF_0_1 = {1: 6}
# Numbers of BatchSubmitScoresRequest's fields, and those they had in 0.1.
_BATCH_NUMBERS_OF_0_1 = {1: 2, 2: 1}


def leaderboard_message(leaderboard: Leaderboard) -> pb.Leaderboard:
    """The contract's Leaderboard."""
    message = pb.Leaderboard(leaderboard_id=leaderboard.leaderboard_id, entry_count=leaderboard.entry_count)
    _set_time(message.created_at, leaderboard.created_at_us)
    return message


def set_entry(message: pb.Entry, entry: Entry, *, with_metadata: bool = True) -> None:
    """Writes the contract's Entry in place: a list of a hundred takes half as long as with messages copied into it.
    The answer to a batch of submissions leaves metadata out."""
    message.entry_id = entry.entry_id
    message.score = entry.score
    message.subscore = entry.subscore
    message.rank = entry.rank
    if with_metadata and entry.metadata:
        message.metadata.CopyFrom(json_struct.from_json(entry.metadata))
    _set_time(message.updated_at, entry.updated_at_us)


def set_failure(message: pb.SubmissionResult, error: SavepointError) -> None:
    """Writes what a call that fails with this error would say."""
    message.failure.MergeFromString(status.serialized(error))


def content_of_0_1(request: pb.SubmitScoreRequest | pb.BatchSubmitScoresRequest) -> bytes:
    """What the fingerprint of a submission is made of: its bytes as 0.1 numbered them."""
    if isinstance(request, pb.BatchSubmitScoresRequest):
        return renumbered(request.SerializeToString(deterministic=True), _BATCH_NUMBERS_OF_0_1)
    submission = request.submission.SerializeToString(deterministic=True)
    request_id = pb.SubmitScoreRequest(request_id=request.request_id).SerializeToString()
    return submission + renumbered(request_id, _SUBMIT_REQUEST_ID_OF_0_1)


def _set_time(timestamp: Timestamp, at_us: int) -> None:
    timestamp.seconds = at_us // 1_000_000
    timestamp.nanos = at_us % 1_000_000 * 1000
