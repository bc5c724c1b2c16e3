"""Which boards there are."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.leaderboard.boards.dynamodb.items import (
    CREATE_LEADERBOARD,
    DELETE_LEADERBOARD,
    DELETED,
    FIND_LEADERBOARD,
    Board,
    BoardGone,
    board_key,
)
from services.leaderboard.boards.errors import leaderboard_exists, leaderboard_not_found
from shared.stores.dynamodb import ConditionFailed, Delete, DynamoDb, Item, Key, Put, Write, WriteConflict
from shared.work.contention import Moved, undisturbed

T = TypeVar("T")

_MOST_KEPT = 10_000


class Boards:
    """All boards; new ones get so many shards.

    A board's properties never change, so they are kept here once they were read. Whatever is done on a board looks at
    its heads, which are deleted with it: what is kept of a board that is gone is noticed then (`on`)."""

    def __init__(self, database: DynamoDb, shards: int) -> None:
        self._database = database
        self._shards = shards
        self._kept: OrderedDict[str, Board] = OrderedDict()

    async def on(self, leaderboard_id: str, work: Callable[[Board], Awaitable[T]]) -> T:
        """What `work` does on the board; again on its successor, if it finds the board gone. Raises NotFound."""

        async def once() -> T:
            board = await self.find(leaderboard_id)
            if board is None:
                raise leaderboard_not_found(leaderboard_id)
            try:
                return await work(board)
            except BoardGone as gone:
                self.forget(board)
                raise Moved from gone

        return await undisturbed(once)

    async def find(self, leaderboard_id: str) -> Board | None:
        """The board, as it is kept here or else in the table."""
        kept = self._kept.get(leaderboard_id)
        if kept is not None:
            self._kept.move_to_end(leaderboard_id)
            return kept
        key = board_key(leaderboard_id)
        found = (await self._database.get(FIND_LEADERBOARD, [key])).get(key)
        if found is None:
            return None
        board = Board(leaderboard_id, str(found["g"]), int(found["s"]), int(found["c"]))
        self._keep(board)
        return board

    def forget(self, board: Board) -> None:
        """It is gone."""
        if self._kept.get(board.leaderboard_id) == board:
            del self._kept[board.leaderboard_id]

    async def create(self, leaderboard_id: str, generation: str) -> Board:
        """Makes an empty board. Raises AlreadyExists."""
        board = Board(leaderboard_id, generation, self._shards, time.time_ns() // 1000)
        item: Item = {"g": generation, "s": board.shards, "c": board.created_at_us}
        writes: list[Write] = [
            Put(board_key(leaderboard_id), "attribute_not_exists(pk)", item=item),
            *(Put(key, item={"n": 0, "v": 0, "t": 0}) for key in board.head_keys()),
        ]

        async def once() -> None:
            try:
                await self._database.write(CREATE_LEADERBOARD, writes)
            except ConditionFailed as failed:
                raise leaderboard_exists(leaderboard_id) from failed
            except WriteConflict as conflict:
                raise Moved from conflict

        await undisturbed(once)
        self._keep(board)
        return board

    async def delete(self, board: Board) -> None:
        """Deletes a board. Its entries are out of reach from then on; deleted.py takes them away. Raises BoardGone."""
        writes: list[Write] = [
            Delete(board_key(board.leaderboard_id), "g = :g", {":g": board.generation}),
            *(Delete(key) for key in board.head_keys()),
            Put(Key(DELETED, board.generation), item={"s": board.shards, "l": 0}),
        ]

        async def once() -> None:
            try:
                await self._database.write(DELETE_LEADERBOARD, writes)
            except ConditionFailed as failed:
                raise BoardGone from failed
            except WriteConflict as conflict:
                raise Moved from conflict

        await undisturbed(once)
        self.forget(board)

    def _keep(self, board: Board) -> None:
        self._kept[board.leaderboard_id] = board
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
