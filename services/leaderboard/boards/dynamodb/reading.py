"""What is read of a board before anything is done: the heads of its shards, and entries by their ids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.leaderboard.boards.dynamodb.items import READ_ENTRIES, READ_HEADS, Board, Heads, State, sort_key
from services.leaderboard.boards.dynamodb.positions import Position, entry_id_of
from services.leaderboard.boards.types import Entry
from shared.stores.dynamodb import DynamoDb, Item, Key
from shared.work.contention import Moved


class Found(NamedTuple):
    """Heads, entries by id, and whatever else was asked for."""

    heads: Heads
    entries: Mapping[str, State]
    others: Mapping[Key, Item]


async def read_heads(database: DynamoDb, board: Board) -> Heads:
    """Raises BoardGone."""
    return Heads.of(board, await database.get(READ_HEADS, board.head_keys()))


async def read(database: DynamoDb, board: Board, entry_ids: Iterable[str], others: Sequence[Key] = ()) -> Found:
    """In one request, and another one for those entries that have metadata. Raises BoardGone, and Moved where an entry
    was written in between."""
    where = {entry_id: board.where_key(entry_id) for entry_id in dict.fromkeys(entry_ids)}
    found = await database.get(READ_ENTRIES, [*board.head_keys(), *where.values(), *others])
    heads = Heads.of(board, found)
    places = {entry_id: found[key] for entry_id, key in where.items() if key in found}
    described = {
        entry_id: Key(board.partition(board.shard(entry_id)), str(place["k"]))
        for entry_id, place in places.items()
        if place["m"]
    }
    metadata = await database.get(READ_ENTRIES, list(described.values())) if described else {}
    entries = {}
    for entry_id, place in places.items():
        text = ""
        if entry_id in described:
            item = metadata.get(described[entry_id])
            if item is None or item["v"] != place["v"]:
                raise Moved
            text = str(item["m"])
        entries[entry_id] = State(Position.of(str(place["k"])), int(place["u"]), text, int(place["v"]))
    return Found(heads, entries, found)


def entry_in(item: Item, rank: int, error: int) -> Entry:
    """An entry from its item in a shard."""
    key = sort_key(item)
    position = Position.of(key)
    return Entry(
        entry_id_of(key),
        position.place(),
        position.score,
        position.subscore,
        rank,
        str(item.get("m", "")),
        int(item["u"]),
        error,
    )
