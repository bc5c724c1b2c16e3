"""LeaderboardService: requests checked and turned into the store's terms, its entries turned into messages."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceServicer

from services.leaderboard.boards.messages import (
    content_of_0_1,
    entry_fields,
    failed_result,
    leaderboard_message,
    submission_result,
)
from services.leaderboard.boards.pages import KeptPage, KeptPages, PageKey
from services.leaderboard.boards.store import BoardStore
from services.leaderboard.boards.types import LARGEST_SCORE, POSITION, BoardPosition, Entry, Submission
from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.paging import LARGEST_PAGE_BYTES, Pages
from shared.rpc.messages import serialized
from shared.stores.requests.key import RequestKey
from shared.work.sharing import SharedReads

Context = aio.ServicerContext[Any, Any]

LONGEST_LEADERBOARD_ID = 64
LONGEST_ENTRY_ID = 64
METADATA_BYTES = 4 * 1024
# All of them may fail, each with a status of up to shared.rpc.status.LARGEST_DETAILS: that makes 3 MiB at most.
LARGEST_BATCH = 1000
DEFAULT_RANGE = 5
LARGEST_RANGE = 100

_LEADERBOARD_ID = re.compile(r"[a-z0-9._-]+")


class LeaderboardServicer(LeaderboardServiceServicer):
    """The RPCs of LeaderboardService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: BoardStore) -> None:
        self._store = store
        self._pages = KeptPages()
        self._top: SharedReads[PageKey, bytes] = SharedReads(self._read_top)

    async def close(self) -> None:
        """Ends what is on its way."""
        await self._top.close()

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
        submission = _plain(request.submission) or _submission(request.submission, "submission.")
        submitted = await self._store.submit_score(submission, _key(request))
        return pb.SubmitScoreResponse(
            entry=entry_fields(submitted.entry),
            previous_entry=entry_fields(submitted.previous) if submitted.previous else None,
            changed=submitted.changed,
        )

    async def BatchSubmitScores(
        self, request: pb.BatchSubmitScoresRequest, context: Context
    ) -> pb.BatchSubmitScoresResponse:
        fields.count(request.submissions, "submissions", LARGEST_BATCH)
        key = _key(request)
        checked = [
            _plain(submission) or _checked(submission, f"submissions[{at}].")
            for at, submission in enumerate(request.submissions)
        ]
        valid = [submission for submission in checked if isinstance(submission, Submission)]
        results = iter(await self._store.batch_submit_scores(valid, key))
        return pb.BatchSubmitScoresResponse(
            results=[
                submission_result(submission, next(results))
                if isinstance(submission, Submission)
                else failed_result(submission)
                for submission in checked
            ]
        )

    async def GetEntry(self, request: pb.GetEntryRequest, context: Context) -> pb.GetEntryResponse:
        entry = await self._store.get_entry(_leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id))
        return pb.GetEntryResponse(entry=entry_fields(entry))

    async def ListTop(  # type: ignore[override] # the stub's type knows no answer that is bytes already
        self, request: pb.ListTopRequest, context: Context
    ) -> bytes:
        leaderboard_id = _leaderboard_id(request.leaderboard_id)
        size = fields.page_size(request.page_size)
        after = _tokens(leaderboard_id).key(request.page_token, POSITION) if request.page_token else None
        return await self._top.get(PageKey(leaderboard_id, after, size))

    async def ListAround(self, request: pb.ListAroundRequest, context: Context) -> pb.ListAroundResponse:
        entries = await self._store.list_around(
            _leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id), _range(request)
        )
        response = pb.ListAroundResponse(entries=list(map(entry_fields, entries)))
        if any(entry.metadata for entry in entries):
            _drop_farthest(response, request.entry_id)
        return response

    async def RemoveEntry(self, request: pb.RemoveEntryRequest, context: Context) -> pb.RemoveEntryResponse:
        await self._store.remove_entry(_leaderboard_id(request.leaderboard_id), _entry_id(request.entry_id))
        return pb.RemoveEntryResponse()

    async def _read_top(self, key: PageKey) -> bytes:
        """The answer of ListTop: the page that is kept, or another one if its board has changed since."""
        kept = self._pages.find(key)
        # One more than the page shows whether there is a next one.
        top = await self._store.list_top(key.leaderboard_id, key.after, key.size + 1, kept.version)
        if top is None:
            return kept.answer
        answer = serialized(_page(key, top.entries))
        self._pages.keep(key, KeptPage(top.version, answer))
        return answer


def _key(request: pb.SubmitScoreRequest | pb.BatchSubmitScoresRequest) -> RequestKey | None:
    if not request.HasField("request_id"):
        return None
    return RequestKey.of(request, content_of_0_1)


def _page(key: PageKey, entries: Sequence[Entry]) -> pb.ListTopResponse:
    shown: list[Any] = []
    room = LARGEST_PAGE_BYTES
    for entry in entries[: key.size]:
        if entry.metadata:
            # Only these are measured: entries without are small, and measuring costs as much as all the rest.
            message = pb.Entry(**entry_fields(entry))
            room -= message.ByteSize()
            shown.append(message)
            if room <= 0:
                break
        else:
            shown.append(entry_fields(entry))
    response = pb.ListTopResponse(entries=shown)
    if len(entries) > len(shown):
        last = entries[len(shown) - 1]
        response.next_page_token = _tokens(key.leaderboard_id).token(BoardPosition(last.score, last.place), POSITION)
    return response


def _tokens(leaderboard_id: str) -> Pages:
    return Pages("ListTop", leaderboard_id)


def _checked(submission: pb.ScoreSubmission, path: str) -> Submission | FieldInvalid:
    try:
        return _submission(submission, path)
    except FieldInvalid as error:
        return error


def _plain(message: pb.ScoreSubmission) -> Submission | None:
    """A submission as nearly all are, of plain ASCII and without metadata, at a third of the price; None for any other,
    right or wrong."""
    leaderboard_id, entry_id, score = message.leaderboard_id, message.entry_id, message.score
    if (
        0 < len(entry_id) <= LONGEST_ENTRY_ID
        and entry_id.isascii()
        and entry_id.isprintable()
        and -LARGEST_SCORE <= score <= LARGEST_SCORE
        and not message.HasField("metadata")
        and _is_leaderboard_id(leaderboard_id)
    ):
        return Submission(leaderboard_id, entry_id, score, message.subscore, None)
    return None


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


def _is_leaderboard_id(value: str) -> bool:
    # Only short ones may get into the cache, which holds as many as it says and not as many bytes.
    return len(value) <= LONGEST_LEADERBOARD_ID and _matches(value)


@lru_cache(maxsize=256)
def _matches(leaderboard_id: str) -> bool:
    return _LEADERBOARD_ID.fullmatch(leaderboard_id) is not None


def _leaderboard_id(value: str, field: str = "leaderboard_id") -> str:
    if not _is_leaderboard_id(value):
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
    asked = next(index for index, entry in enumerate(response.entries) if entry.entry_id == entry_id)
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
