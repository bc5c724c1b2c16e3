"""Submissions: those of many callers to one shard of a board go in one transaction.

A transaction writes the head of its shard, and two at once would be in each other's way. So there is one at a time for
each shard, from this process; whoever comes while it is on its way goes with the next one. Other processes'
transactions may still meet ours: then DynamoDB refuses one of them, which is done again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from services.leaderboard.boards.dynamodb.changes import MOST_TOGETHER, Changes, Step, entry_of, write
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
from shared.stores.dynamodb import STORE, DynamoDb
from shared.stores.requests.key import RequestKey
from shared.work.batching import Batcher
from shared.work.contention import undisturbed
from shared.work.together import together


class _Request(NamedTuple):
    """A submission by itself."""

    submission: Submission
    key: RequestKey | None


@dataclass
class _Lane:
    """The submissions to one shard; `users` wait for an answer."""

    batches: Batcher[_Request, Submitted]
    users: int = 0


class Submits:
    """Sets scores on boards that there are. Every method may raise BoardGone; what was done of it is gone too then."""

    def __init__(self, database: DynamoDb, records: Records, ranker: Ranker) -> None:
        self._database = database
        self._records = records
        self._ranker = ranker
        self._clock = Clock()
        self._lanes: dict[tuple[Board, int], _Lane] = {}

    async def close(self) -> None:
        """Ends what is on its way."""
        for lane in list(self._lanes.values()):
            await lane.batches.close()

    async def submit(self, board: Board, submission: Submission, key: RequestKey | None) -> Submitted:
        """Sets one score. Raises NotFound if that is recorded, RequestIdReused."""
        at = (board, board.shard(submission.entry_id))
        lane = self._lanes.get(at)
        if lane is None:
            # The same request twice goes in two transactions: the second one finds the record of the first.
            batches = Batcher(partial(self._together, board), _keys, most=MOST_TOGETHER, at_once=1)
            lane = self._lanes[at] = _Lane(batches)
        lane.users += 1
        try:
            return await lane.batches.do(_Request(submission, key))
        finally:
            lane.users -= 1
            if not lane.users and self._lanes.get(at) is lane:
                del self._lanes[at]

    async def submit_as_one(
        self, board: Board, submissions: Sequence[Submission], key: RequestKey
    ) -> Sequence[Placed | NotFound]:
        """Sets up to MOST_AS_ONE scores, in one transaction with their record. Raises RequestIdReused."""
        return await undisturbed(partial(self._as_one, board, submissions, key))

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
        results = [self._known(board, key, found) if key else None for _, key in requests]
        steps = {
            number: changes.submit(requests[number].submission) for number, known in enumerate(results) if known is None
        }
        records = []
        for number, result in zip(steps, await self._submitted(board, found, list(steps.values())), strict=True):
            results[number] = result
            if key := requests[number].key:
                records.append(self._records.record(board, key, submitted_out(result)))
        await write(self._database, SUBMIT_SCORES, board, [*changes.writes(), *records])
        return [result for result in results if result is not None]

    async def _as_one(
        self, board: Board, submissions: Sequence[Submission], key: RequestKey
    ) -> Sequence[Placed | NotFound]:
        at = record_key(board.leaderboard_id, key)
        found = await read(self._database, board, [submission.entry_id for submission in submissions], [at])
        answer = self._records.answer(board, key, found.others.get(at))
        if answer is not None:
            return placed_in(answer) if answer else [leaderboard_not_found(board.leaderboard_id)] * len(submissions)
        changes = Changes(board, found.heads, self._clock, found.entries)
        last = {submission.entry_id: changes.submit(submission).after for submission in submissions}
        states = [last[submission.entry_id] for submission in submissions]
        ahead = await self._ranker.ahead(board, found.heads, [state.position for state in states])
        placed = [
            _placed(state, one.moved(changes.shift(state.position, submission.entry_id)))
            for submission, state, one in zip(submissions, states, ahead, strict=True)
        ]
        record = self._records.record(board, key, placed_out(placed))
        await write(self._database, SUBMIT_SCORES, board, [*changes.writes(), record])
        return placed

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

    def _known(self, board: Board, key: RequestKey, found: Found) -> Submitted | Exception | None:
        """What is recorded."""
        try:
            answer = self._records.answer(board, key, found.others.get(record_key(board.leaderboard_id, key)))
        except RequestIdReused as error:
            return error
        if answer is None:
            return None
        return submitted_in(answer) if answer else leaderboard_not_found(board.leaderboard_id)


def _keys(request: _Request) -> Sequence[object]:
    return (request.key.request_id,) if request.key else ()


def _submitted(step: Step, ahead: Mapping[Position, Ahead]) -> Submitted:
    previous = None
    if step.before:
        previous = entry_of(step.entry_id, step.before, ahead[step.before.position].moved(step.more_before))
    entry = entry_of(step.entry_id, step.after, ahead[step.after.position].moved(step.more_after))
    return Submitted(entry, previous, step.changed)


def _placed(state: State, ahead: Ahead) -> Placed:
    return Placed(ahead.rank, state.updated_at_us, ahead.error)
