"""Calls of the leaderboard service."""

import random

from google.protobuf.struct_pb2 import Struct
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2 import ScoreSubmission

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.operations.picks import MOST, groups, some
from bench.seed import Seed

_BOARDS = "/savepoint.leaderboard.v1.LeaderboardService/"
# What an entry of a list takes at least: an id of 36 bytes, a score, a rank, a time.
_ENTRY_BYTES = 44


def submit_score(seed: Seed, most: int = MOST, *, marked: bool = False, recorded: bool = False) -> Operation:
    """A score for an entry, always another one than it has. `marked`: with metadata of this one call, which its answer
    repeats. `recorded`: under a request_id."""
    entry_ids = some(seed.entry_ids, most)
    requests = []
    for turn in range(2):
        for entry_id in entry_ids:
            score = _score(turn)
            # The answer begins with both of them, in this order.
            expect = leaderboard_pb2.Entry(entry_id=entry_id, score=score).SerializeToString()
            metadata = None
            if marked:
                metadata = Struct()
                metadata["call"] = ANY_UUID
                expect = ANY_UUID.encode()
            request = leaderboard_pb2.SubmitScoreRequest(
                request_id=ANY_UUID if recorded else None,
                submission=ScoreSubmission(
                    leaderboard_id=seed.leaderboard_id, entry_id=entry_id, score=score, metadata=metadata
                ),
            )
            requests.append(Request(request.SerializeToString(), expect))
    return Operation("SubmitScore", _BOARDS + "SubmitScore", requests)


def batch_submit_scores(seed: Seed, most: int = MOST, size: int = 1000) -> Operation:
    """So many scores at once, each another one than its entry has."""
    batches = groups(seed.entry_ids, size, most)
    requests = []
    for turn in range(2):
        for entry_ids in batches:
            submissions = [
                ScoreSubmission(leaderboard_id=seed.leaderboard_id, entry_id=entry_id, score=_score(turn))
                for entry_id in entry_ids
            ]
            last = submissions[-1]
            requests.append(
                Request(
                    leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions).SerializeToString(),
                    leaderboard_pb2.Entry(entry_id=last.entry_id, score=last.score).SerializeToString(),
                )
            )
    return Operation("BatchSubmitScores", _BOARDS + "BatchSubmitScores", requests, least_bytes=size * _ENTRY_BYTES)


def get_entry(seed: Seed, most: int = MOST) -> Operation:
    """An entry and its rank."""
    requests = [
        Request(
            leaderboard_pb2.GetEntryRequest(leaderboard_id=seed.leaderboard_id, entry_id=entry_id).SerializeToString(),
            entry_id.encode(),
        )
        for entry_id in some(seed.entry_ids, most)
    ]
    return Operation("GetEntry", _BOARDS + "GetEntry", requests)


def list_top(seed: Seed, size: int = 100) -> Operation:
    """The best of the board. Every caller asks for the same page."""
    request = leaderboard_pb2.ListTopRequest(leaderboard_id=seed.leaderboard_id, page_size=size)
    return Operation(
        "ListTop", _BOARDS + "ListTop", [Request(request.SerializeToString())], least_bytes=size * _ENTRY_BYTES
    )


def list_around(seed: Seed, most: int = MOST) -> Operation:
    """An entry and its five neighbours on each side."""
    requests = [
        Request(
            leaderboard_pb2.ListAroundRequest(
                leaderboard_id=seed.leaderboard_id, entry_id=entry_id, range=5
            ).SerializeToString(),
            entry_id.encode(),
        )
        for entry_id in some(seed.entry_ids, most)
    ]
    return Operation("ListAround(5)", _BOARDS + "ListAround", requests, least_bytes=11 * _ENTRY_BYTES)


def _score(turn: int) -> int:
    # The two turns have no score in common, so that every submission changes its entry.
    return 2 * random.randrange(500_000) + turn
