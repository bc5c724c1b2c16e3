"""Boards in DynamoDB. A method for each RPC.

Every read is strongly consistent, so that whatever was answered is seen. But only one item is read at one moment: an
answer that is made of several (a rank, a page) may show a write that came meanwhile in one part and not yet in another.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from services.leaderboard.boards.dynamodb.boards import Boards
from services.leaderboard.boards.dynamodb.changes import MOST_AS_ONE, Changes, entry_of, write
from services.leaderboard.boards.dynamodb.deleted import DeletedBoards
from services.leaderboard.boards.dynamodb.items import (
    FIND_REQUEST,
    RECORD_REFUSAL,
    REMOVE_ENTRY,
    Board,
    board_key,
    sort_key,
)
from services.leaderboard.boards.dynamodb.order import listed
from services.leaderboard.boards.dynamodb.positions import BEGIN, Clock, behind
from services.leaderboard.boards.dynamodb.ranks import Ahead, Ranker
from services.leaderboard.boards.dynamodb.reading import entry_in, read, read_heads
from services.leaderboard.boards.dynamodb.requests import Records, record_key
from services.leaderboard.boards.dynamodb.submits import Submits
from services.leaderboard.boards.errors import entry_not_found, leaderboard_not_found
from services.leaderboard.boards.store import BoardStore
from services.leaderboard.boards.types import (
    BoardPosition,
    Entry,
    Leaderboard,
    Placed,
    Submission,
    Submitted,
    Top,
)
from shared.contract.errors import NotFound, NotSupportedByStore, Overloaded, StoreUnavailable
from shared.stores.dynamodb import STORE, Check, ConditionFailed, DynamoDb, Item, WriteConflict
from shared.stores.requests.key import RequestKey
from shared.work.contention import Moved, undisturbed
from shared.work.together import together

T = TypeVar("T")

_FIRST = Ahead(0, 0)


class DynamoBoardStore(BoardStore):
    """Boards in one table. The first `exact_ranks` of a board are exact; a new one is spread over `shards`."""

    def __init__(self, database: DynamoDb, requests_kept_s: int, exact_ranks: int, shards: int) -> None:
        self._database = database
        self._records = Records(requests_kept_s)
        self._boards = Boards(database, shards)
        self._ranker = Ranker(database, exact_ranks)
        self._submits = Submits(database, self._records, self._ranker)
        self.deleted = DeletedBoards(database)

    async def close(self) -> None:
        """Ends what is on its way."""
        await self._submits.close()

    async def create_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """Raises AlreadyExists."""
        board = await self._boards.create(leaderboard_id, secrets.token_hex(8))
        return Leaderboard(leaderboard_id, 0, board.created_at_us)

    async def get_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """Its number of entries is exact. Raises NotFound."""

        async def get(board: Board) -> Leaderboard:
            heads = await read_heads(self._database, board)
            return Leaderboard(leaderboard_id, heads.entries, board.created_at_us)

        return await self._boards.on(leaderboard_id, get)

    async def delete_leaderboard(self, leaderboard_id: str) -> None:
        """Raises NotFound."""
        await self._boards.on(leaderboard_id, self._boards.delete)

    async def submit_score(self, submission: Submission, key: RequestKey | None) -> Submitted:
        """Raises NotFound; with a key, RequestIdReused."""

        async def submit(board: Board) -> Submitted:
            return await self._submits.submit(board, submission, key)

        if key is None:
            return await self._boards.on(submission.leaderboard_id, submit)
        return await undisturbed(partial(self._final, submission.leaderboard_id, key, submit))

    async def batch_submit_scores(
        self, submissions: Sequence[Submission], key: RequestKey | None
    ) -> Sequence[Placed | NotFound]:
        """With a key, raises RequestIdReused, and NotSupportedByStore for more than MOST_AS_ONE on one board."""
        boards: dict[str, list[int]] = {}
        for index, submission in enumerate(submissions):
            boards.setdefault(submission.leaderboard_id, []).append(index)
        if key:
            _refuse_large(max(map(len, boards.values()), default=0))
            if len(boards) > 1:
                await self._refuse_reused(list(boards), key)
        parts = [
            self._part(leaderboard_id, [submissions[index] for index in indexes], key)
            for leaderboard_id, indexes in boards.items()
        ]
        results: dict[int, Placed | NotFound] = {}
        try:
            done = await together(parts)
        except Overloaded as error:
            if len(parts) == 1:
                raise
            # Overloaded promises that nothing was done. On another board something may be.
            raise StoreUnavailable(STORE) from error
        for indexes, part in zip(boards.values(), done, strict=True):
            results.update(zip(indexes, part, strict=True))
        return [results[index] for index in range(len(submissions))]

    async def get_entry(self, leaderboard_id: str, entry_id: str) -> Entry:
        """Raises NotFound."""

        async def get(board: Board) -> Entry:
            found = await read(self._database, board, [entry_id])
            state = found.entries.get(entry_id)
            if state is None:
                raise entry_not_found(leaderboard_id, entry_id)
            [ahead] = await self._ranker.ahead(board, found.heads, [state.position])
            return entry_of(entry_id, state, ahead)

        return await self._boards.on(leaderboard_id, get)

    async def list_top(
        self, leaderboard_id: str, after: BoardPosition | None, limit: int, known: bytes = b""
    ) -> Top | None:
        """The version is older than the page, if anything: whoever knows it is told of what came in between. Raises
        NotFound."""

        async def get(board: Board) -> Top | None:
            heads = await read_heads(self._database, board)
            if heads.version == known:
                return None
            first, ahead = BEGIN, _FIRST
            if after:
                first = behind(after)
                [ahead] = await self._ranker.ahead_of(board, heads, [(first, after.score)])
            items = await listed(self._database, board, limit, first=first)
            return Top(heads.version, _ranked(items, ahead))

        return await self._boards.on(leaderboard_id, get)

    async def list_around(self, leaderboard_id: str, entry_id: str, neighbours: int) -> Sequence[Entry]:
        """Raises NotFound."""

        async def get(board: Board) -> Sequence[Entry]:
            found = await read(self._database, board, [entry_id])
            state = found.entries.get(entry_id)
            if state is None:
                raise entry_not_found(leaderboard_id, entry_id)
            own = state.position.key() + entry_id
            before, after = await together(
                [
                    listed(self._database, board, neighbours + 1, last=own, forward=False),
                    listed(self._database, board, neighbours + 1, first=own),
                ]
            )
            if not before or not after or sort_key(before[0]) != own or sort_key(after[0]) != own:
                raise Moved
            # Near an end of the board the other side is longer.
            size = 2 * neighbours + 1
            if len(before) <= neighbours:
                after = await listed(self._database, board, size - len(before) + 1, first=own)
            elif len(after) <= neighbours:
                before = await listed(self._database, board, size - len(after) + 1, last=own, forward=False)
            if len(before) <= neighbours:
                ahead = Ahead(len(before) - 1, len(before) - 1)
            else:
                [counted] = await self._ranker.ahead(board, found.heads, [state.position])
                ahead = counted.at_least(len(before) - 1)
            shown = [*before[:0:-1], *after]
            return _ranked(shown, ahead.moved(1 - len(before)))

        return await self._boards.on(leaderboard_id, get)

    async def remove_entry(self, leaderboard_id: str, entry_id: str) -> None:
        """Raises NotFound."""

        async def remove(board: Board) -> None:
            found = await read(self._database, board, [entry_id])
            if entry_id not in found.entries:
                raise entry_not_found(leaderboard_id, entry_id)
            changes = Changes(board, found.heads, Clock(), found.entries)
            changes.remove(entry_id)
            await write(self._database, REMOVE_ENTRY, board, changes.writes())

        await self._boards.on(leaderboard_id, remove)

    async def _part(
        self, leaderboard_id: str, submissions: Sequence[Submission], key: RequestKey | None
    ) -> Sequence[Placed | NotFound]:
        """One board's part of a batch."""

        async def submit(board: Board) -> Sequence[Placed | NotFound]:
            if key is None:
                return await self._submits.submit_each(board, submissions)
            return await self._submits.submit_as_one(board, submissions, key)

        try:
            if key is None:
                return await self._boards.on(leaderboard_id, submit)
            return await undisturbed(partial(self._final, leaderboard_id, key, submit))
        except NotFound as error:
            return [error] * len(submissions)

    async def _final(self, leaderboard_id: str, key: RequestKey, work: Callable[[Board], Awaitable[T]]) -> T:
        """What `work` does on the board. That there is none is recorded, and so it is final. Raises NotFound,
        RequestIdReused, Moved."""
        if await self._boards.find(leaderboard_id):
            # If not, it is gone by now, or there was none when the same request came first: the record tells.
            with suppress(NotFound):
                return await self._boards.on(leaderboard_id, work)
        at = record_key(leaderboard_id, key)
        found = await self._database.get(FIND_REQUEST, [at])
        if self._records.answer(None, key, found.get(at)) is None:
            no_board = Check(board_key(leaderboard_id), "attribute_not_exists(pk)")
            try:
                await self._database.write(RECORD_REFUSAL, [no_board, self._records.refusal(leaderboard_id, key)])
            except (ConditionFailed, WriteConflict) as error:
                raise Moved from error
        raise leaderboard_not_found(leaderboard_id)

    async def _refuse_reused(self, leaderboard_ids: Sequence[str], key: RequestKey) -> None:
        """Looks at every board of a batch before the first is changed, so that a refused batch changes none."""
        boards = await together([self._boards.find(leaderboard_id) for leaderboard_id in leaderboard_ids])
        keys = [record_key(leaderboard_id, key) for leaderboard_id in leaderboard_ids]
        found = await self._database.get(FIND_REQUEST, keys)
        for board, at in zip(boards, keys, strict=True):
            self._records.answer(board, key, found.get(at))


def _ranked(items: Sequence[Item], ahead: Ahead) -> Sequence[Entry]:
    """Entries that follow each other, so many being ahead of the first."""
    return [entry_in(item, ahead.rank + place, ahead.error) for place, item in enumerate(items)]


def _refuse_large(part: int) -> None:
    if part > MOST_AS_ONE:
        raise NotSupportedByStore(
            "large_batches_under_a_request_id",
            STORE,
            f"a batch under a request_id takes up to {MOST_AS_ONE} submissions for one board, and this one has {part}; "
            "send smaller batches, each with a request_id of its own, or leave it out",
        )
