"""Boards and their entries as protobuf messages."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from services.leaderboard.boards.types import Entry, Leaderboard, Placed, Submission
from shared.contract import json_struct
from shared.contract.errors import SavepointError
from shared.contract.renumbered import renumbered
from shared.rpc import status

# In 0.1 a SubmitScoreRequest had no submission within it, but its fields, and behind them the request_id as field 6:
# what stands before its 36 characters.
_SUBMIT_REQUEST_ID_OF_0_1 = bytes((6 << 3 | 2, 36))
# Numbers of BatchSubmitScoresRequest's fields, and those they had in 0.1.
_BATCH_NUMBERS_OF_0_1 = {1: 2, 2: 1}


def leaderboard_message(leaderboard: Leaderboard) -> pb.Leaderboard:
    """The contract's Leaderboard."""
    created_at = Timestamp(**_time_fields(leaderboard.created_at_us))
    return pb.Leaderboard(
        leaderboard_id=leaderboard.leaderboard_id, entry_count=leaderboard.entry_count, created_at=created_at
    )


def entry_fields(entry: Entry) -> dict[str, Any]:
    """The contract's Entry as keywords. A message takes them for an entry of its own, at half of what it costs to make
    the entry first, or to set its fields in place."""
    fields: dict[str, Any] = {
        "entry_id": entry.entry_id,
        "score": entry.score,
        "subscore": entry.subscore,
        "rank": entry.rank,
        "updated_at": _time_fields(entry.updated_at_us),
    }
    if entry.metadata:
        fields["metadata"] = json_struct.from_json(entry.metadata)
    if entry.rank_error:
        fields.update(_estimated(entry.rank_error))
    return fields


def submission_result(submission: Submission, result: Placed | SavepointError) -> dict[str, Any]:
    """The contract's SubmissionResult as keywords: the entry without metadata, or why it failed."""
    if isinstance(result, SavepointError):
        return failed_result(result)
    entry: dict[str, Any] = {
        "entry_id": submission.entry_id,
        "score": submission.score,
        "subscore": submission.subscore,
        "rank": result.rank,
        "updated_at": _time_fields(result.updated_at_us),
    }
    if result.rank_error:
        entry.update(_estimated(result.rank_error))
    return {"entry": entry}


def failed_result(error: SavepointError) -> dict[str, Any]:
    """Likewise: what a call that fails with this error would say."""
    return {"failure": Status.FromString(status.serialized(error))}


def content_of_0_1(request: pb.SubmitScoreRequest | pb.BatchSubmitScoresRequest) -> bytes:
    """What the fingerprint of a submission is made of, its request_id being a UUID: its bytes as 0.1 numbered them."""
    if isinstance(request, pb.BatchSubmitScoresRequest):
        return renumbered(request.SerializeToString(deterministic=True), _BATCH_NUMBERS_OF_0_1)
    submission = request.submission.SerializeToString(deterministic=True)
    return submission + _SUBMIT_REQUEST_ID_OF_0_1 + request.request_id.encode()


def _estimated(rank_error: int) -> dict[str, Any]:
    return {"rank_is_estimate": True, "rank_error": rank_error}


def _time_fields(at_us: int) -> dict[str, int]:
    return {"seconds": at_us // 1_000_000, "nanos": at_us % 1_000_000 * 1000}
