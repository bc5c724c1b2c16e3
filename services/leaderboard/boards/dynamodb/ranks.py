"""Ranks: exact for the first of a board and where few entries have nearly the same score, else estimates with their
error.

The heads of the shards count the entries of each bucket, exactly. So the entries in the buckets above are known without
reading one of them; those of the same bucket are read and counted, unless they are too many.
"""

import bisect
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from services.leaderboard.boards.dynamodb.buckets import bucket_of, first_key
from services.leaderboard.boards.dynamodb.items import COUNT_ENTRIES, Board, Heads, sort_key
from services.leaderboard.boards.dynamodb.order import listed
from services.leaderboard.boards.dynamodb.positions import Position
from shared.stores.dynamodb import DynamoDb, Key, Range
from shared.work.together import together

# So many entries are read for an exact rank behind the first ones too: that costs little.
CHEAP = 500
# Beyond what each shard should have of them: entries fall into shards at random.
_SPARE = 50
# Up to so many entries between two that are asked for are read with them, rather than apart.
_GAP = 100


class Ahead(NamedTuple):
    """How many entries stand before a position: from `least` to `most`."""

    least: int
    most: int

    def moved(self, by: int) -> "Ahead":
        """So many more."""
        return Ahead(self.least + by, self.most + by)

    def at_least(self, least: int) -> "Ahead":
        """Where so many are known to stand before it."""
        return Ahead(max(self.least, least), max(self.most, least))

    @property
    def rank(self) -> int:
        """1 is first."""
        return (self.least + self.most) // 2 + 1

    @property
    def error(self) -> int:
        """The true rank lies within rank ± error."""
        return (self.most - self.least + 1) // 2


class _Asked(NamedTuple):
    """A place in a board's order: whoever has a lesser sort key stands before it."""

    key: str
    bucket: int


class _Span(NamedTuple):
    """Neighbouring buckets, the highest first, and what is asked of them, in its order."""

    buckets: list[int]
    asked: list[_Asked]


class Ranker:
    """The ranks of all boards. The first `exact` of a board are exact."""

    def __init__(self, database: DynamoDb, exact: int) -> None:
        self._database = database
        self._exact = exact
        self._cheap = min(CHEAP, exact)

    async def ahead(self, board: Board, heads: Heads, positions: Sequence[Position]) -> Sequence[Ahead]:
        """How many entries stand before each of the positions."""
        return await self.ahead_of(board, heads, [(position.key(), position.score) for position in positions])

    async def ahead_of(self, board: Board, heads: Heads, keys: Sequence[tuple[str, int]]) -> Sequence[Ahead]:
        """Likewise for sort keys, each with its score."""
        asked = [_Asked(key, bucket_of(score)) for key, score in keys]
        found: dict[_Asked, Ahead] = {}
        spans = self._spans(heads, sorted(set(asked)))
        for answers in await together([self._within(board, heads, span) for span in spans]):
            found.update(answers)
        return [found.get(one) or _by_counts(heads, one) for one in asked]

    def _spans(self, heads: Heads, asked: Sequence[_Asked]) -> list[_Span]:
        """What is to be read."""
        spans: list[_Span] = []
        totals = heads.totals
        for one in asked:
            if not self._worth_reading(heads, one.bucket):
                continue
            if spans:
                last = spans[-1]
                between = [bucket for bucket in totals if last.buckets[-1] > bucket > one.bucket]
                more = [*between, one.bucket] if one.bucket != last.buckets[-1] else []
                size = sum(totals.get(bucket, 0) for bucket in [*last.buckets, *more])
                near = sum(totals[bucket] for bucket in between) <= _GAP
                if not more or (near and size <= self._room(heads, last.buckets[0])):
                    last.buckets.extend(more)
                    last.asked.append(one)
                    continue
            spans.append(_Span([one.bucket], [one]))
        return spans

    def _worth_reading(self, heads: Heads, bucket: int) -> bool:
        total = heads.totals.get(bucket, 0)
        return total > 0 and (_above(heads, bucket) < self._exact or total <= self._cheap)

    def _room(self, heads: Heads, bucket: int) -> int:
        """How many entries may be read from the beginning of this bucket on."""
        return max(self._exact - _above(heads, bucket), self._cheap)

    async def _within(self, board: Board, heads: Heads, span: _Span) -> dict[_Asked, Ahead]:
        room = self._room(heads, span.buckets[0])
        above = _above(heads, span.buckets[0])
        if len(span.asked) == 1:
            [one] = span.asked
            counted, whole = await self._count(board, heads, one, room)
            return {
                one: Ahead(above + counted, above + counted)
                if whole
                else _by_counts(heads, one).at_least(above + counted)
            }
        items = await listed(
            self._database, board, room, first=first_key(span.buckets[0]), last=max(one.key for one in span.asked)
        )
        keys = [sort_key(item) for item in items]
        bound = keys[-1] if len(keys) >= room else None
        answers = {}
        for one in span.asked:
            before = above + bisect.bisect_left(keys, one.key)
            known = bound is None or one.key <= bound
            answers[one] = Ahead(before, before) if known else _by_counts(heads, one).at_least(before)
        return answers

    async def _count(self, board: Board, heads: Heads, one: _Asked, room: int) -> tuple[int, bool]:
        """How many entries of its bucket stand before it, and whether that is all of them: it stops at `room`."""
        first = first_key(one.bucket)
        left: dict[int, Key | None] = {shard: None for shard, counts in enumerate(heads.counts) if one.bucket in counts}
        counted = 0
        while left and counted < room:
            limit = (room - counted) // len(left) + _SPARE
            pages = await together(
                [
                    self._database.query(
                        COUNT_ENTRIES,
                        Range(board.partition(shard), first, one.key),
                        limit=limit,
                        after=end,
                        count=True,
                    )
                    for shard, end in left.items()
                ]
            )
            counted += sum(page.count for page in pages)
            left = {shard: page.end for shard, page in zip(left, pages, strict=True) if page.end}
        return counted, not left


def _above(heads: Heads, bucket: int) -> int:
    """How many entries the higher buckets have."""
    return sum(heads.totals[other] for other in takewhile(lambda other: other > bucket, heads.totals))


def _by_counts(heads: Heads, one: _Asked) -> Ahead:
    above = _above(heads, one.bucket)
    return Ahead(above, above + heads.totals.get(one.bucket, 0))
