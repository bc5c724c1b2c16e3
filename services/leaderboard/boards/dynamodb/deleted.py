"""Takes away what deleted boards have left: it costs money for as long as it lies there, and nothing else."""

import asyncio
import logging
import time
from collections.abc import Mapping

from services.leaderboard.boards.dynamodb.items import (
    CLAIM_DELETED,
    DELETED,
    FIND_DELETED,
    FORGET_ENTRIES,
    LIST_ENTRIES,
    Board,
    sort_key,
)
from services.leaderboard.boards.dynamodb.positions import BEGIN, END, entry_id_of
from shared.contract.errors import SavepointError
from shared.stores.dynamodb import ConditionFailed, Delete, DynamoDb, Item, Key, Range, Update, Write, WriteConflict

_log = logging.getLogger("savepoint.boards")

_EVERY_S = 60
# Whoever removes a board is alone with it for so long, and says so again before that.
_LEASE_S = 120
_AT_ONCE = 100
# Between two portions, so that calls are not held up.
_PAUSE_S = 0.05
_BOARDS_AT_ONCE = 10
# Generations are hexadecimal.
_ALL = Range(DELETED, "0", "g")


class DeletedBoards:
    """The deleted boards of a table."""

    def __init__(self, database: DynamoDb) -> None:
        self._database = database

    async def remove_forever(self) -> None:
        """The background task: takes away what is left every minute, until cancelled."""
        while True:
            try:
                await self.remove_all()
            except SavepointError as error:
                _log.warning("entries of deleted boards stay for now: %s", error.message)
            await asyncio.sleep(_EVERY_S)

    async def remove_all(self) -> None:
        """Takes away all that is left of the boards that nobody else is at work on."""
        end: Key | None = None
        while True:
            page = await self._database.query(FIND_DELETED, _ALL, limit=_BOARDS_AT_ONCE, after=end)
            for mark in page.items:
                await self._remove(mark)
            end = page.end
            if end is None:
                return

    async def _remove(self, mark: Item) -> None:
        board = Board("", sort_key(mark), int(mark["s"]), 0)
        if not await self._write(_claim(board, "l < :now", {":now": int(time.time())})):
            return
        renew_at = time.monotonic() + _LEASE_S / 2
        for shard in range(board.shards):
            while entry_ids := await self._some(board, shard):
                keys = [board.where_key(entry_id_of(key.sort)) for key in entry_ids] + entry_ids
                # The items of a shard last: they tell what is left.
                await self._database.delete(FORGET_ENTRIES, keys)
                if time.monotonic() > renew_at:
                    await self._write(_claim(board, "attribute_exists(pk)", {}))
                    renew_at = time.monotonic() + _LEASE_S / 2
                await asyncio.sleep(_PAUSE_S)
        await self._write(Delete(_mark_key(board)))

    async def _some(self, board: Board, shard: int) -> list[Key]:
        within = Range(board.partition(shard), BEGIN, END)
        page = await self._database.query(LIST_ENTRIES, within, limit=_AT_ONCE)
        return [Key(within.partition, sort_key(item)) for item in page.items]

    async def _write(self, write: Write) -> bool:
        try:
            await self._database.write(CLAIM_DELETED, [write])
        except (ConditionFailed, WriteConflict):
            return False
        return True


def _claim(board: Board, condition: str, params: Mapping[str, int]) -> Update:
    until = int(time.time()) + _LEASE_S
    return Update(_mark_key(board), condition, {":l": until, **params}, expression="SET l = :l")


def _mark_key(board: Board) -> Key:
    return Key(DELETED, board.generation)
