"""Submissions: those of many callers to one shard of a board go in one transaction.

A transaction writes the head of its shard, and two at once would be in each other's way. So there is one at a time for
each shard, from this process; whoever comes while it is on its way goes with the next one. Batches under a request_id
concern several shards: they go one transaction at a time for each board. Other processes'
transactions may still meet ours: then DynamoDB refuses one of them, which is done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from services.leaderboard.boards.dynamodb.changes import MOST_TOGETHER, WRITES_OF_ONE, Changes, Step, entry_of, write
from services.leaderboard.boards.dynamodb.items import SUBMIT_SCORES, Board, State
from services.leaderboard.boards.dynamodb.positions import Clock, Position
from services.leaderboard.boards.dynamodb.ranks import Ahead, Ranker
from services.leaderboard.boards.dynamodb.reading import Found, read, read_heads
from services.leaderboard.boards.dynamodb.requests import (
    Records,
    placed_in,
    placed_out,
    record_key,
    submitted_in,
    submitted_out,
)
from services.leaderboard.boards.errors import leaderboard_not_found
from services.leaderboard.boards.types import Placed, Submission, Submitted
from shared.contract.errors import NotFound, Overloaded, RequestIdReused, StoreUnavailable
from shared.stores.dynamodb import MOST_WRITES, STORE, DynamoDb
from shared.stores.requests.key import RequestKey
from shared.work.batching import Batcher
from shared.work.contention import undisturbed
from shared.work.lanes import Lanes
from shared.work.together import together

_Result = Sequence[Placed | NotFound]

# Batches of some four transactions, which follow each other: all of them have the time of the last one.
_MOST_AT_ONCE = 4 * MOST_WRITES


class _Request(NamedTuple):
    """A submission by itself."""

    submission: Submission
    key: RequestKey | None


class _Batch(NamedTuple):
    """Submissions that take effect as one."""

    submissions: Sequence[Submission]
    key: RequestKey


class Submits:
    """Sets scores on boards that there are. Every method may raise BoardGone; what was done of it is gone too then."""

    def __init__(self, database: DynamoDb, records: Records, ranker: Ranker) -> None:
        self._database = database
        self._records = records
        self._ranker = ranker
        self._clock = Clock()
        self._shards: Lanes[tuple[Board, int], _Request, Submitted] = Lanes(self._shard_lane)
        self._boards: Lanes[Board, _Batch, _Result] = Lanes(self._board_lane)

    async def close(self) -> None:
        """Ends what is on its way."""
        await self._shards.close()
        await self._boards.close()

    async def submit(self, board: Board, submission: Submission, key: RequestKey | None) -> Submitted:
        """Sets one score. Raises NotFound if that is recorded, RequestIdReused."""
        return await self._shards.do((board, board.shard(submission.entry_id)), _Request(submission, key))

    async def submit_as_one(self, board: Board, submissions: Sequence[Submission], key: RequestKey) -> _Result:
        """Sets up to MOST_AS_ONE scores, in one transaction with their record. Raises RequestIdReused."""
        return await self._boards.do(board, _Batch(submissions, key))

    async def submit_each(self, board: Board, submissions: Sequence[Submission]) -> Sequence[Placed]:
        """Sets any number of scores, MOST_TOGETHER at a time; where it fails, some may be set."""
        shards: dict[int, list[Submission]] = {}
        for submission in submissions:
            shards.setdefault(board.shard(submission.entry_id), []).append(submission)
        written: dict[str, State] = {}
        try:
            for its in await together([self._portions(board, its) for its in shards.values()]):
                written.update(its)
        except Overloaded as error:
            # Overloaded promises that nothing was done.
            raise StoreUnavailable(STORE) from error
        heads = await read_heads(self._database, board)
        states = [written[submission.entry_id] for submission in submissions]
        ahead = await self._ranker.ahead(board, heads, [state.position for state in states])
        return list(map(_placed, states, ahead))

    def _shard_lane(self, of: tuple[Board, int]) -> Batcher[_Request, Submitted]:
        return Batcher(partial(self._together, of[0]), _keys, most=MOST_TOGETHER, at_once=1)

    def _board_lane(self, board: Board) -> Batcher[_Batch, _Result]:
        work = partial(self._batches_together, board)
        return Batcher(work, _keys, weight=_size, most=_MOST_AT_ONCE, at_once=1)

    async def _together(self, board: Board, requests: Sequence[_Request]) -> Sequence[Submitted | Exception]:
        return await undisturbed(partial(self._attempt, board, requests))

    async def _attempt(self, board: Board, requests: Sequence[_Request]) -> Sequence[Submitted | Exception]:
        found = await read(
            self._database,
            board,
            [submission.entry_id for submission, _ in requests],
            [record_key(board.leaderboard_id, key) for _, key in requests if key],
        )
        changes = Changes(board, found.heads, self._clock, found.entries)
        known = [self._known(board, key, found) if key else None for _, key in requests]
        results = {number: _replayed(board, answer) for number, answer in enumerate(known) if answer is not None}
        steps = {
            number: changes.submit(submission)
            for number, (submission, _) in enumerate(requests)
            if number not in results
        }
        records = []
        for number, result in zip(steps, await self._submitted(board, found, list(steps.values())), strict=True):
            results[number] = result
            if key := requests[number].key:
                records.append(self._records.record(board, key, submitted_out(result)))
        await write(self._database, SUBMIT_SCORES, board, [*changes.writes(), *records])
        return [results[number] for number in range(len(requests))]

    async def _batches_together(self, board: Board, batches: Sequence[_Batch]) -> Sequence[_Result | Exception]:
        results: list[_Result | Exception] = []
        for some in _fitting(batches, MOST_WRITES - board.shards):
            try:
                results += await undisturbed(partial(self._batches_attempt, board, some))
            except Exception as error:
                # Those before it were done.
                results += [error] * len(some)
        return results

    async def _batches_attempt(self, board: Board, batches: Sequence[_Batch]) -> Sequence[_Result | Exception]:
        found = await read(
            self._database,
            board,
            [submission.entry_id for submissions, _ in batches for submission in submissions],
            [record_key(board.leaderboard_id, key) for _, key in batches],
        )
        changes = Changes(board, found.heads, self._clock, found.entries)
        known = [self._known(board, key, found) for _, key in batches]
        stand = [
            _applied(changes, submissions) if answer is None else []
            for (submissions, _), answer in zip(batches, known, strict=True)
        ]
        positions = [state.position for states in stand for state, _ in states]
        ahead = dict(zip(positions, await self._ranker.ahead(board, found.heads, positions), strict=True))
        results: list[_Result | Exception] = []
        records = []
        for (submissions, key), answer, states in zip(batches, known, stand, strict=True):
            if isinstance(answer, RequestIdReused):
                results.append(answer)
            elif answer is None:
                placed = [_placed(state, ahead[state.position].moved(more)) for state, more in states]
                records.append(self._records.record(board, key, placed_out(placed)))
                results.append(placed)
            elif answer:
                results.append(placed_in(answer))
            else:
                results.append([leaderboard_not_found(board.leaderboard_id)] * len(submissions))
        await write(self._database, SUBMIT_SCORES, board, [*changes.writes(), *records])
        return results

    async def _portions(self, board: Board, submissions: Sequence[Submission]) -> Mapping[str, State]:
        """The entries as they were written."""
        written: dict[str, State] = {}
        for at in range(0, len(submissions), MOST_TOGETHER):
            portion = submissions[at : at + MOST_TOGETHER]
            written.update(await undisturbed(partial(self._portion, board, portion)))
        return written

    async def _portion(self, board: Board, submissions: Sequence[Submission]) -> Mapping[str, State]:
        found = await read(self._database, board, [submission.entry_id for submission in submissions])
        changes = Changes(board, found.heads, self._clock, found.entries)
        written = {submission.entry_id: changes.submit(submission).after for submission in submissions}
        await write(self._database, SUBMIT_SCORES, board, changes.writes())
        return written

    async def _submitted(self, board: Board, found: Found, steps: Sequence[Step]) -> Sequence[Submitted]:
        """What the steps are answered with. Their ranks are those of the moment before the write, moved by what it
        changes: an answer must be recorded by the same transaction."""
        positions = [state.position for step in steps for state in (step.before, step.after) if state]
        ahead = dict(zip(positions, await self._ranker.ahead(board, found.heads, positions), strict=True))
        return [_submitted(step, ahead) for step in steps]

    def _known(self, board: Board, key: RequestKey, found: Found) -> str | RequestIdReused | None:
        """What is recorded, as Records.answer has it."""
        try:
            return self._records.answer(board, key, found.others.get(record_key(board.leaderboard_id, key)))
        except RequestIdReused as error:
            return error


def _keys(request: _Request | _Batch) -> Sequence[UUID]:
    """The same request twice goes in two transactions: the second one finds the record of the first."""
    return (request.key.request_id,) if request.key else ()


def _size(batch: _Batch) -> int:
    """How much it takes of a transaction."""
    return WRITES_OF_ONE * len(batch.submissions) + 1


def _fitting(batches: Sequence[_Batch], room: int) -> Iterator[Sequence[_Batch]]:
    """As many at a time as a transaction takes beside the heads."""
    some: list[_Batch] = []
    left = room
    for batch in batches:
        size = _size(batch)
        if some and size > left:
            yield some
            some, left = [], room
        some.append(batch)
        left -= size
    if some:
        yield some


def _applied(changes: Changes, submissions: Sequence[Submission]) -> list[tuple[State, int]]:
    """How the entry of each stands when all are done, and how many more entries than were read stand before it."""
    last = {submission.entry_id: changes.submit(submission).after for submission in submissions}
    return [(last[name], changes.shift(last[name].position, name)) for name in (one.entry_id for one in submissions)]


def _replayed(board: Board, answer: str | RequestIdReused) -> Submitted | Exception:
    if isinstance(answer, RequestIdReused):
        return answer
    return submitted_in(answer) if answer else leaderboard_not_found(board.leaderboard_id)


def _submitted(step: Step, ahead: Mapping[Position, Ahead]) -> Submitted:
    previous = None
    if step.before:
        previous = entry_of(step.entry_id, step.before, ahead[step.before.position].moved(step.more_before))
    entry = entry_of(step.entry_id, step.after, ahead[step.after.position].moved(step.more_after))
    return Submitted(entry, previous, step.changed)


def _placed(state: State, ahead: Ahead) -> Placed:
    return Placed(ahead.rank, state.updated_at_us, ahead.error)
