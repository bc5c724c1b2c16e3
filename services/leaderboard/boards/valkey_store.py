"""Boards in Valkey. A method for each RPC; all it does on a board is one call of one script.

A board's keys share a hash tag, so that a cluster keeps them together. The records of request_ids are kept with the
board as well: each board remembers what was done on it, and a batch over several boards is atomic on each of them.

LEADERBOARD_NOT_FOUND is recorded and final under a request_id too. Any other recorded answer belongs to the board that
gave it: a board that is deleted and made anew, though it has the same leaderboard_id, ignores it.

When a connection breaks, the script call is sent again, and may find that the first one has taken effect. Creating,
deleting and removing recognise that by the call's random id, submitting by its request_id. Submitting without a
request_id sets the same score once more, over one that another caller may have set in between.

Scores that callers submit while others are on their way go to their board by one call of the script, each with a record
and an answer of its own: that is a third less work for the store, where a call costs as much as three changes, and for
the service one call to send instead of many.
"""

import asyncio
import secrets
from collections.abc import Sequence
from itertools import count, repeat
from pathlib import Path
from typing import Any, NamedTuple

from services.leaderboard.boards.errors import entry_not_found, leaderboard_exists, leaderboard_not_found
from services.leaderboard.boards.store import BoardStore
from services.leaderboard.boards.types import BoardPosition, Entry, Leaderboard, Placed, Submission, Submitted, Top
from shared.contract.errors import NotFound, RequestIdReused
from shared.stores.requests.key import RequestKey
from shared.stores.valkey import Valkey, Value, load_script
from shared.work.batching import Batcher
from shared.work.bounds import CALL_KEPT_S

_LUA = Path(__file__).parent / "lua"
CREATE_LEADERBOARD = load_script(_LUA / "create_leaderboard.lua", "leaderboards", writes=True)
GET_LEADERBOARD = load_script(_LUA / "get_leaderboard.lua", "leaderboards", writes=False)
DELETE_LEADERBOARD = load_script(_LUA / "delete_leaderboard.lua", "leaderboards", writes=True)
BATCH_SUBMIT_SCORES = load_script(_LUA / "batch_submit_scores.lua", "leaderboard_entries", writes=True)
SUBMIT_SCORES = load_script(_LUA / "submit_scores.lua", "leaderboard_entries", writes=True)
FIND_REQUEST = load_script(_LUA / "find_request.lua", "leaderboard_requests", writes=False)
GET_ENTRY = load_script(_LUA / "get_entry.lua", "leaderboard_entries", writes=False)
LIST_TOP = load_script(_LUA / "list_top.lua", "leaderboard_entries", writes=False)
LIST_AROUND = load_script(_LUA / "list_around.lua", "leaderboard_entries", writes=False)
REMOVE_ENTRY = load_script(_LUA / "remove_entry.lua", "leaderboard_entries", writes=True)

# KEYS and ARGV of a script.
ScriptCall = tuple[list[str], list[Value]]

# What a record holds: place, score, subscore, updated_at, metadata.
_LINES = 5
# A sorted set knows every rank.
_EXACT = 0


class _Request(NamedTuple):
    """A submission by itself."""

    submission: Submission
    key: RequestKey | None


class ValkeyBoardStore(BoardStore):
    """Boards in Valkey, on a server or in a cluster."""

    def __init__(self, valkey: Valkey, requests_kept_s: int) -> None:
        self._valkey = valkey
        self._requests_kept_s = requests_kept_s
        # By the lane of their boards: on a cluster, a board that has to wait holds up no board of another lane.
        self._submits: dict[int, Batcher[_Request, Submitted]] = {}
        self._submitting = 0

    async def close(self) -> None:
        """Ends what is on its way."""
        for submits in self._submits.values():
            await submits.close()

    async def create_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """Raises AlreadyExists."""
        board, _, _ = _keys(leaderboard_id)
        created_at = await self._valkey.run(CREATE_LEADERBOARD, [board], [secrets.token_hex(8)])
        if created_at is None:
            raise leaderboard_exists(leaderboard_id)
        return Leaderboard(leaderboard_id, 0, int(created_at))

    async def get_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """Raises NotFound."""
        board, ranks, _ = _keys(leaderboard_id)
        answer = await self._valkey.run(GET_LEADERBOARD, [board, ranks])
        if answer is None:
            raise leaderboard_not_found(leaderboard_id)
        created_at, entry_count = answer
        return Leaderboard(leaderboard_id, entry_count, int(created_at))

    async def delete_leaderboard(self, leaderboard_id: str) -> None:
        """Raises NotFound."""
        keys = [*_keys(leaderboard_id), _call_key(leaderboard_id)]
        if await self._valkey.run(DELETE_LEADERBOARD, keys, [CALL_KEPT_S]) is None:
            raise leaderboard_not_found(leaderboard_id)

    async def submit_score(self, submission: Submission, key: RequestKey | None) -> Submitted:
        """Raises NotFound; with a key, RequestIdReused."""
        request = _Request(submission, key)
        self._submitting += 1
        try:
            if self._submitting > 1:
                return await self._submits_of(submission.leaderboard_id).do(request)
            # Nobody to go with: the way over the batcher's task would only take longer.
            [result] = await self._submit_to_board((request,))
        finally:
            self._submitting -= 1
        if isinstance(result, Exception):
            raise result
        return result

    async def batch_submit_scores(
        self, submissions: Sequence[Submission], key: RequestKey | None
    ) -> list[Placed | NotFound]:
        """What became of each, in their order. With a key, raises RequestIdReused."""
        # Which of the submissions are for each board.
        indexes: dict[str, list[int]] = {}
        for index, submission in enumerate(submissions):
            indexes.setdefault(submission.leaderboard_id, []).append(index)
        if key and len(indexes) > 1:
            await self._refuse_reused(list(indexes), key)
        groups = [[submissions[index] for index in of_board] for of_board in indexes.values()]
        calls = [self._batch_call(group, key) for group in groups]
        answers = await self._valkey.run_each(BATCH_SUBMIT_SCORES, calls)
        results: dict[int, Placed | NotFound] = {}
        for of_board, group, answer in zip(indexes.values(), groups, answers, strict=True):
            results.update(zip(of_board, _placed(group, key, answer), strict=True))
        return [results[index] for index in range(len(submissions))]

    async def get_entry(self, leaderboard_id: str, entry_id: str) -> Entry:
        """Raises NotFound."""
        answer = await self._valkey.run(GET_ENTRY, _keys(leaderboard_id), [entry_id])
        return _entries(leaderboard_id, entry_id, answer)[0]

    async def list_top(
        self, leaderboard_id: str, after: BoardPosition | None, limit: int, known: bytes = b""
    ) -> Top | None:
        """Up to `limit` entries after a position; None where the board still has the version `known`. Raises
        NotFound."""
        position = [after.score, after.place] if after else ["", ""]
        answer = await self._valkey.run(LIST_TOP, _keys(leaderboard_id), [limit, *position, known])
        if answer is None:
            raise leaderboard_not_found(leaderboard_id)
        version, *page = answer
        return Top(version, _entries(leaderboard_id, "", page)) if page else None

    async def list_around(self, leaderboard_id: str, entry_id: str, neighbours: int) -> list[Entry]:
        """An entry among up to `neighbours` on each side. Raises NotFound."""
        answer = await self._valkey.run(LIST_AROUND, _keys(leaderboard_id), [entry_id, neighbours])
        return _entries(leaderboard_id, entry_id, answer)

    async def remove_entry(self, leaderboard_id: str, entry_id: str) -> None:
        """Raises NotFound."""
        keys = [*_keys(leaderboard_id), _call_key(leaderboard_id)]
        removed = await self._valkey.run(REMOVE_ENTRY, keys, [entry_id, CALL_KEPT_S])
        if removed is None:
            raise leaderboard_not_found(leaderboard_id)
        if not removed:
            raise entry_not_found(leaderboard_id, entry_id)

    def _submits_of(self, leaderboard_id: str) -> Batcher[_Request, Submitted]:
        lane = self._valkey.lane(leaderboard_id)
        submits = self._submits.get(lane)
        if submits is None:
            # They touch the same board and yet go together: the script does them in their order.
            submits = self._submits[lane] = Batcher(self._submit, lambda _: ())
        return submits

    async def _submit(self, requests: Sequence[_Request]) -> list[Submitted | Exception]:
        """What became of requests of many callers, each with one submission."""
        boards: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            boards.setdefault(request.submission.leaderboard_id, []).append(index)
        if len(boards) == 1:
            return await self._submit_to_board(requests)
        # Where one board's call fails, those of the others are not concerned.
        answers = await asyncio.gather(
            *(self._submit_to_board([requests[index] for index in of_board]) for of_board in boards.values()),
            return_exceptions=True,
        )
        results: dict[int, Submitted | Exception] = {}
        for of_board, answer in zip(boards.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Exception):
                    raise answer
                results.update((index, answer) for index in of_board)
            else:
                results.update(zip(of_board, answer, strict=True))
        return [results[index] for index in range(len(requests))]

    async def _submit_to_board(self, requests: Sequence[_Request]) -> list[Submitted | Exception]:
        answers = await self._valkey.run(SUBMIT_SCORES, *self._submit_call(requests))
        return [_submitted(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _submit_call(self, requests: Sequence[_Request]) -> ScriptCall:
        """KEYS and ARGV of submit_scores.lua for requests to one board."""
        leaderboard_id = requests[0].submission.leaderboard_id
        keys = list(_keys(leaderboard_id))
        repeated = _has_repeated([submission for submission, _ in requests])
        args: list[Value] = [self._requests_kept_s, secrets.token_hex(8), repeated]
        for (_, entry_id, score, subscore, metadata), key in requests:
            if key:
                keys.append(_request_key(leaderboard_id, key))
            args += (_fingerprint(key) if key else "", entry_id, score, _rest(subscore, metadata))
        return keys, args

    def _batch_call(self, submissions: Sequence[Submission], key: RequestKey | None) -> ScriptCall:
        """KEYS and ARGV of batch_submit_scores.lua for submissions to one board."""
        leaderboard_id = submissions[0].leaderboard_id
        keys = list(_keys(leaderboard_id))
        args: list[Value] = [self._requests_kept_s, secrets.token_hex(8), "", _has_repeated(submissions)]
        if key:
            keys.append(_request_key(leaderboard_id, key))
            args[2] = _fingerprint(key)
        for _, entry_id, score, subscore, metadata in submissions:
            args += (entry_id, score, _rest(subscore, metadata))
        return keys, args

    async def _refuse_reused(self, leaderboard_ids: list[str], key: RequestKey) -> None:
        """Looks at every board of a batch before the first is changed, so that a refused batch changes none."""
        calls = [((_keys(i)[0], _request_key(i, key)), (_fingerprint(key),)) for i in leaderboard_ids]
        if any(await self._valkey.run_each(FIND_REQUEST, calls)):
            raise RequestIdReused(key.request_id)


def _keys(leaderboard_id: str) -> tuple[str, str, str]:
    """The board, its ranks, its entries."""
    board = f"board:{{{leaderboard_id}}}"
    return board, f"{board}:ranks", f"{board}:entries"


def _request_key(leaderboard_id: str, key: RequestKey) -> str:
    return f"board:{{{leaderboard_id}}}:request:{key.request_id}"


def _call_key(leaderboard_id: str) -> str:
    return f"board:{{{leaderboard_id}}}:call:{secrets.token_hex(8)}"


def _fingerprint(key: RequestKey) -> bytes:
    return key.method.encode() + b":" + key.fingerprint


def _has_repeated(submissions: Sequence[Submission]) -> str:
    repeated = len(submissions) > 1 and len({submission.entry_id for submission in submissions}) < len(submissions)
    return "1" if repeated else ""


def _rest(subscore: int, metadata: str | None) -> str:
    if not subscore and metadata is None:
        return ""
    # As an unsigned number in hexadecimal, subscores sort as text: Lua has no 64-bit integers to do it with.
    return f"{subscore + 2**63:016x}{subscore}\n{metadata or ''}"


def _submitted(request: _Request, answer: Any) -> Submitted | Exception:
    """What submit_scores.lua answered to a request."""
    submission, key = request
    if answer is None:
        return leaderboard_not_found(submission.leaderboard_id)
    if key and answer == b"reused":
        return RequestIdReused(key.request_id)
    changed, rank, record, rank_before, before = answer
    entry = _entry(submission.entry_id, rank, record)
    previous = _entry(submission.entry_id, rank_before, before) if before else None
    return Submitted(entry, previous, changed == 1)


def _placed(submissions: Sequence[Submission], key: RequestKey | None, answer: Any) -> Sequence[Placed | NotFound]:
    """What batch_submit_scores.lua answered to a batch's part for one board. Raises RequestIdReused."""
    if answer is None:
        return [leaderboard_not_found(submissions[0].leaderboard_id)] * len(submissions)
    if key and answer == b"reused":
        raise RequestIdReused(key.request_id)
    now, ranks, others = answer
    times = [int(now)] * len(ranks)
    for number, updated_at in zip(others[::2], others[1::2], strict=True):
        times[number - 1] = int(updated_at)
    return list(map(Placed, ranks, times))


def _entries(leaderboard_id: str, entry_id: str, answer: Any) -> list[Entry]:
    """What a reading script answered: the rank of the first entry, the lines of all entry_ids and of all records. No
    line holds a line break: entry_ids have no control characters, and JSON escapes them. Raises NotFound."""
    if answer is None:
        raise leaderboard_not_found(leaderboard_id)
    if not answer:
        raise entry_not_found(leaderboard_id, entry_id)
    first, entry_ids, records = answer
    lines = records.decode().split("\n")
    places, scores, subscores, times, metadata = (lines[at::_LINES] for at in range(_LINES))
    # Column by column: a page of a thousand spends its time here. No entries are one empty line, which zip drops.
    columns = (entry_ids.decode().split("\n"), places, map(int, scores), map(int, subscores), count(first), metadata)
    return list(map(Entry._make, zip(*columns, map(int, times), repeat(_EXACT), strict=False)))


def _entry(entry_id: str, rank: int, record: bytes) -> Entry:
    place, score, subscore, updated_at_us, metadata = record.decode().split("\n")
    return Entry(entry_id, place, int(score), int(subscore), rank, metadata, int(updated_at_us))
