"""What lies in the table, under which keys. A board is spread over shards, partitions that each hold a part of its
entries; an entry_id is always in the same one.

| partition | sort key | what | attributes |
|---|---|---|---|
| board#<leaderboard_id> | board | the board | g generation, s number of shards, c created_at in µs |
| <g>#<shard> | head | a shard | n entries, v number of changes, t latest order number, b<bucket> entries in it |
| <g>#<shard> | r<position><entry_id> | an entry | v its version, u updated_at in µs, m metadata |
| <g>@<entry_id> | entry | where an entry stands | k sort key of it, v, u as there, m whether it has metadata |
| request#<leaderboard_id>#<request_id> | request | an answer | f fingerprint, a answer, g, x when it expires in s |
| deleted | <g> | a deleted board | s number of shards, l until when somebody is removing it, in s |

A generation is a word for one board, which no board before or after it has: what is left of a deleted board has keys
that nobody asks for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

from services.leaderboard.boards.dynamodb.buckets import bucket_of
from services.leaderboard.boards.dynamodb.positions import Position
from shared.stores.dynamodb import SORT, Item, Key, Query

LEADERBOARDS, ENTRIES, REQUESTS = "leaderboards", "leaderboard_entries", "leaderboard_requests"

DELETED = "deleted"
_BUCKET = "b"


class BoardGone(Exception):
    """The board was deleted since it was looked up; there may be another one of its leaderboard_id."""


@dataclass(frozen=True, slots=True)
class Board:
    """A board's properties, which never change."""

    leaderboard_id: str
    generation: str
    shards: int
    created_at_us: int

    def shard(self, entry_id: str) -> int:
        """The shard of an entry."""
        return crc32(entry_id.encode()) % self.shards

    def partition(self, shard: int) -> str:
        """Where the shard lies."""
        return f"{self.generation}#{shard:02x}"

    def head_keys(self) -> list[Key]:
        """The heads of all shards."""
        return [self.head_key(shard) for shard in range(self.shards)]

    def head_key(self, shard: int) -> Key:
        """The head of a shard."""
        return Key(self.partition(shard), "head")

    def entry_key(self, entry_id: str, position: Position) -> Key:
        """An entry at a position."""
        return Key(self.partition(self.shard(entry_id)), position.key() + entry_id)

    def where_key(self, entry_id: str) -> Key:
        """Where an entry stands."""
        return Key(f"{self.generation}@{entry_id}", "entry")


def board_key(leaderboard_id: str) -> Key:
    """The key of a board."""
    return Key(f"board#{leaderboard_id}", "board")


@dataclass(frozen=True)
class Heads:
    """What the heads of a board's shards say, each as it was at a moment of its own."""

    counts: Sequence[Mapping[int, int]]
    entries: int
    version: bytes
    latest: int

    @classmethod
    def of(cls, board: Board, found: Mapping[Key, Item]) -> "Heads":
        """Raises BoardGone where they are not among what was found."""
        keys = board.head_keys()
        heads = [head for key in keys if (head := found.get(key)) is not None]
        if len(heads) < len(keys):
            raise BoardGone
        return cls(
            [_counts(head) for head in heads],
            sum(int(head["n"]) for head in heads),
            ":".join([board.generation, *(str(head["v"]) for head in heads)]).encode(),
            max(int(head["t"]) for head in heads),
        )

    @cached_property
    def totals(self) -> Mapping[int, int]:
        """Entries of the whole board in each bucket that has any, from the highest one down."""
        buckets = {bucket for counts in self.counts for bucket in counts}
        return {bucket: sum(counts.get(bucket, 0) for counts in self.counts) for bucket in sorted(buckets)[::-1]}


class State(NamedTuple):
    """An entry as it is stored, or is to be. `version` is another one after each write, whichever entry."""

    position: Position
    updated_at_us: int
    metadata: str
    version: int

    @property
    def bucket(self) -> int:
        """Where it is counted."""
        return bucket_of(self.position.score)


def bucket_attribute(bucket: int) -> str:
    """The attribute of a head that counts a bucket."""
    return f"{_BUCKET}{bucket}"


def sort_key(item: Item) -> str:
    """The sort key of an item."""
    return str(item[SORT])


def _counts(head: Item) -> Mapping[int, int]:
    return {int(name[1:]): int(count) for name, count in head.items() if name[0] == _BUCKET and count}


# Requests, as logs and metrics tell them.
CREATE_LEADERBOARD = Query("create_leaderboard", "insert", LEADERBOARDS)
FIND_LEADERBOARD = Query("find_leaderboard", "select", LEADERBOARDS)
READ_HEADS = Query("read_heads", "select", LEADERBOARDS)
DELETE_LEADERBOARD = Query("delete_leaderboard", "delete", LEADERBOARDS)
FIND_DELETED = Query("find_deleted", "select", LEADERBOARDS)
CLAIM_DELETED = Query("claim_deleted", "update", LEADERBOARDS)
FORGET_ENTRIES = Query("forget_entries", "delete", ENTRIES)
READ_ENTRIES = Query("read_entries", "select", ENTRIES)
LIST_ENTRIES = Query("list_entries", "select", ENTRIES)
COUNT_ENTRIES = Query("count_entries", "select", ENTRIES)
SUBMIT_SCORES = Query("submit_scores", "update", ENTRIES)
REMOVE_ENTRY = Query("remove_entry", "delete", ENTRIES)
FIND_REQUEST = Query("find_request", "select", REQUESTS)
RECORD_REFUSAL = Query("record_refusal", "insert", REQUESTS)
