"""A board's order, put together from its shards."""

import bisect
from collections.abc import Sequence
from heapq import merge

from services.leaderboard.boards.dynamodb.items import LIST_ENTRIES, Board, sort_key
from services.leaderboard.boards.dynamodb.positions import BEGIN, END, entry_id_of
from shared.stores.dynamodb import DynamoDb, Item, Key, Range
from shared.work.together import together

# Entries fall into shards at random: one may hold more of a page than its share.
_SPARE = 4


class _Run:
    """What has been read of one shard, in the order asked for."""

    def __init__(self, database: DynamoDb, within: Range, forward: bool) -> None:
        self._database = database
        self._within = within
        self._forward = forward
        self.items: list[Item] = []
        self.end: Key | None = None
        self.whole = within.first > within.last

    async def read(self, limit: int) -> None:
        """Reads on."""
        page = await self._database.query(
            LIST_ENTRIES, self._within, limit=limit, after=self.end, forward=self._forward
        )
        self.items += page.items
        self.end = page.end
        self.whole = page.end is None


async def listed(
    database: DynamoDb, board: Board, limit: int, *, first: str = BEGIN, last: str = END, forward: bool = True
) -> Sequence[Item]:
    """Up to `limit` entries whose sort keys lie between `first` and `last`, the best first; not `forward`, the worst
    first. It is no snapshot: entries that move meanwhile may be missing, but none is there twice."""
    runs = [_Run(database, Range(board.partition(shard), first, last), forward) for shard in range(board.shards)]
    behind = [run for run in runs if not run.whole]
    certain: Sequence[Item] = ()
    while behind:
        missing = limit - len(certain)
        await together([run.read(min(missing, missing // board.shards * 3 // 2 + _SPARE)) for run in behind])
        certain = _once(_certain(runs, forward))
        if len(certain) >= limit:
            break
        # The others have been read farther than what is certain reaches.
        left = [run for run in runs if not run.whole]
        behind = [min(left, key=_reached) if forward else max(left, key=_reached)] if len(left) > 1 else left
    return certain[:limit]


def _certain(runs: Sequence[_Run], forward: bool) -> list[Item]:
    """The items before which none can come any more."""
    everything = list(merge(*(run.items for run in runs), key=sort_key, reverse=not forward))
    ends = [run.end.sort if run.end else None for run in runs if not run.whole]
    if not ends:
        return everything
    if any(end is None for end in ends):
        return []
    keys = [sort_key(item) for item in everything]
    if forward:
        return everything[: bisect.bisect_right(keys, min(end for end in ends if end is not None))]
    bound = max(end for end in ends if end is not None)
    return [item for item, key in zip(everything, keys, strict=True) if key >= bound]


def _reached(run: _Run) -> str:
    return run.end.sort if run.end else ""


def _once(items: Sequence[Item]) -> Sequence[Item]:
    """Without the older ones of an entry that moved from before the reader to behind it."""
    latest: dict[str, int] = {}
    for item in items:
        entry_id = entry_id_of(sort_key(item))
        latest[entry_id] = max(latest.get(entry_id, 0), int(item["v"]))
    return [item for item in items if item["v"] == latest[entry_id_of(sort_key(item))]]
