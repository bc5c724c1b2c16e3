"""LeaderboardService: requests checked and turned into the store's terms, its entries turned into messages."""

import re
from typing import Any

from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceServicer

from services.leaderboard.boards.messages import content_of_0_1, leaderboard_message, set_entry, set_failure
from services.leaderboard.boards.store import BoardStore
from services.leaderboard.boards.types import LARGEST_SCORE, POSITION, BoardPosition, Submission
from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.paging import LARGEST_PAGE_BYTES, Pages
from shared.stores.requests.key import RequestKey

Context = aio.ServicerContext[Any, Any]

LONGEST_ENTRY_ID = 64
METADATA_BYTES = 4 * 1024
# All of them may fail, each with a status of up to shared.rpc.status.LARGEST_DETAILS: that makes 3 MiB at most.
LARGEST_BATCH = 1000
DEFAULT_RANGE = 5
LARGEST_RANGE = 100

_LEADERBOARD_ID = re.compile(r"[a-z0-9._-]{1,64}")


class LeaderboardServicer(LeaderboardServiceServicer):
    """The RPCs of LeaderboardService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: BoardStore) -> None:
        self._store = store

    async def CreateLeaderboard(
        self, request: pb.CreateLeaderboardRequest, context: Context
    ) -> pb.CreateLeaderboardResponse:
        fields.required(request, "leaderboard")
        leaderboard_id = _leaderboard_id(request.leaderboard.leaderboard_id, "leaderboard.leaderboard_id")
        leaderboard = await self._store.create_leaderboard(leaderboard_id)
        return pb.CreateLeaderboardResponse(leaderboard=leaderboard_message(leaderboard))

    async def GetLeaderboard(self, request: pb.GetLeaderboardRequest, context: Context) -> pb.GetLeaderboardResponse:
        leaderboard = await self._store.get_leaderboard(_leaderboard_id(request.leaderboard_id))
        return pb.GetLeaderboardResponse(leaderboard=leaderboard_message(leaderboard))

    async def DeleteLeaderboard(
        self, request: pb.DeleteLeaderboardRequest, context: Context
    ) -> pb.DeleteLeaderboardResponse:
        await self._store.delete_leaderboard(_leaderboard_id(request.leaderboard_id))
        return pb.DeleteLeaderboardResponse()

    async def SubmitScore(self, request: pb.SubmitScoreRequest, context: Context) -> pb.SubmitScoreResponse:
        fields.required(request, "submission")
        submitted = await self._store.submit_score(_submission(request.submission, "submission."), _key(request))
        response = pb.SubmitScoreResponse(changed=submitted.changed)
        set_entry(response.entry, submitted.entry)
        if submitted.previous:
            set_entry(response.previous_entry, submitted.previous)
        return response

    async def BatchSubmitScores(
        self, request: pb.BatchSubmitScoresRequest, context: Context
    ) -> pb.BatchSubmitScoresResponse:
        fields.count(request.submissions, "submissions", LARGEST_BATCH)
        key = _key(request)
        checked = [_checked(submission, f"submissions[{at}].") for at, submission in enumerate(request.submissions)]
        valid = [submission for submission in checked if isinstance(submission, Submission)]
        results = iter(await self._store.batch_submit_scores(valid, key))
        response = pb.BatchSubmitScoresResponse()
        for submission in checked:
            result = next(results) if isinstance(submission, Submission) else submission
            message = response.results.add()
            if isinstance(result, Exception):
                set_failure(message, result)
            else:
                set_entry(message.entry, result.entry, with_metadata=False)
        return response

    async def GetEntry(self, request: pb.GetEntryRequest, context: Context) -> pb.GetEntryResponse:
        entry = await self._store.get_entry(_leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id))
        response = pb.GetEntryResponse()
        set_entry(response.entry, entry)
        return response

    async def ListTop(self, request: pb.ListTopRequest, context: Context) -> pb.ListTopResponse:
        leaderboard_id = _leaderboard_id(request.leaderboard_id)
        size = fields.page_size(request.page_size)
        pages = Pages("ListTop", leaderboard_id)
        after = pages.key(request.page_token, POSITION)
        # One more than the page shows whether there is a next one.
        entries = await self._store.list_top(leaderboard_id, after, size + 1)
        response = pb.ListTopResponse()
        room = LARGEST_PAGE_BYTES
        for entry in entries[:size]:
            message = response.entries.add()
            set_entry(message, entry)
            # Only metadata is large, and measuring costs as much as all the rest.
            room -= message.ByteSize() if entry.metadata else 0
            if room <= 0:
                break
        if len(entries) > (shown := len(response.entries)):
            last = entries[shown - 1]
            response.next_page_token = pages.token(BoardPosition(last.score, last.place), POSITION)
        return response

    async def ListAround(self, request: pb.ListAroundRequest, context: Context) -> pb.ListAroundResponse:
        entries = await self._store.list_around(
            _leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id), _range(request)
        )
        response = pb.ListAroundResponse()
        for entry in entries:
            set_entry(response.entries.add(), entry)
        if any(entry.metadata for entry in entries):
            _drop_farthest(response, request.entry_id)
        return response

    async def RemoveEntry(self, request: pb.RemoveEntryRequest, context: Context) -> pb.RemoveEntryResponse:
        await self._store.remove_entry(_leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id))
        return pb.RemoveEntryResponse()


def _key(request: pb.SubmitScoreRequest | pb.BatchSubmitScoresRequest) -> RequestKey | None:
    if not request.HasField("request_id"):
        return None
    return RequestKey.of(request, content_of_0_1)


def _checked(submission: pb.ScoreSubmission, path: str) -> Submission | FieldInvalid:
    try:
        return _submission(submission, path)
    except FieldInvalid as error:
        return error


def _submission(submission: pb.ScoreSubmission, path: str) -> Submission:
    metadata = None
    if submission.HasField("metadata"):
        metadata = json_struct.to_json(submission.metadata, f"{path}metadata", METADATA_BYTES)
    return Submission(
        leaderboard_id=_leaderboard_id(submission.leaderboard_id, f"{path}leaderboard_id"),
        entry_id=_entry_id(submission.entry_id, f"{path}entry_id"),
        score=fields.integer(submission.score, f"{path}score", -LARGEST_SCORE, LARGEST_SCORE),
        subscore=submission.subscore,
        metadata=metadata,
    )


def _leaderboard_id(value: str, field: str = "leaderboard_id") -> str:
    if not _LEADERBOARD_ID.fullmatch(value):
        raise FieldInvalid(field, "must be 1 to 64 of a-z 0-9 . _ -")
    return value


def _entry_id(value: str, field: str = "entry_id") -> str:
    size = len(value.encode())
    if not 1 <= size <= LONGEST_ENTRY_ID:
        raise FieldInvalid(field, f"must have 1 to {LONGEST_ENTRY_ID} bytes of UTF-8, and has {size}")
    fields.no_control(value, field)
    return value


def _drop_farthest(response: pb.ListAroundResponse, entry_id: str) -> None:
    """Takes entries off the ends while the answer is too large, always the one that is farther from the asked one."""
    sizes = [entry.ByteSize() for entry in response.entries]
    asked = next(place for place, entry in enumerate(response.entries) if entry.entry_id == entry_id)
    first, last, size = 0, len(sizes) - 1, sum(sizes)
    while size > LARGEST_PAGE_BYTES:
        if asked - first > last - asked:
            size -= sizes[first]
            first += 1
        else:
            size -= sizes[last]
            last -= 1
    del response.entries[last + 1 :]
    del response.entries[:first]


def _range(request: pb.ListAroundRequest) -> int:
    if not request.HasField("range"):
        return DEFAULT_RANGE
    if request.range < 0:
        raise FieldInvalid("range", f"must not be negative, and is {request.range}")
    return min(request.range, LARGEST_RANGE)
