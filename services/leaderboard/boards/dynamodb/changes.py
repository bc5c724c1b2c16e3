"""What submissions make of a board's entries, and the writes that do it.

A transaction changes entries of the shards that it names, and with them the counts in those shards' heads. It fails if
an entry is not as it was read, if a head has come to a later order number meanwhile, or if the board is gone.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.leaderboard.boards.dynamodb.items import Board, Heads, State, bucket_attribute
from services.leaderboard.boards.dynamodb.positions import Clock, Position, microseconds
from services.leaderboard.boards.dynamodb.ranks import Ahead
from services.leaderboard.boards.types import Entry, Submission
from shared.stores.dynamodb import (
    MOST_WRITES,
    Check,
    ConditionFailed,
    Delete,
    DynamoDb,
    Item,
    Key,
    Put,
    Query,
    Update,
    Value,
    Write,
    WriteConflict,
)
from shared.work.contention import Moved

# A submission takes so many writes of a transaction, and its record one more.
WRITES_OF_ONE = 3
MOST_TOGETHER = (MOST_WRITES - 1) // (WRITES_OF_ONE + 1)
# Of one batch under a request_id: with one record, and the heads of all shards.
MOST_AS_ONE = 25
MOST_SHARDS = MOST_WRITES - 1 - WRITES_OF_ONE * MOST_AS_ONE

_AS_READ = "v = :v"
_NEW = "attribute_not_exists(pk)"
_THERE = "attribute_exists(pk)"


@dataclass(frozen=True)
class Step:
    """What one submission did to its entry."""

    entry_id: str
    before: State | None
    after: State
    # How many more entries than were read stand before it, before the step and after it.
    more_before: int
    more_after: int

    @property
    def changed(self) -> bool:
        """Whether score or subscore are other than before."""
        return self.before is None or self.before.position != self.after.position


@dataclass
class Changes:
    """Submissions applied to entries, `stored` as they were read."""

    board: Board
    heads: Heads
    clock: Clock
    stored: Mapping[str, State]
    _now: dict[str, State | None] = field(default_factory=dict)

    def submit(self, submission: Submission) -> Step:
        """Applies one."""
        entry_id = submission.entry_id
        before = self._state(entry_id)
        order = self.clock.next(self.heads.latest)
        metadata = submission.metadata or (before.metadata if before else "")
        asked = (submission.score, submission.subscore)
        if before is None or before.position[:2] != asked:
            position = Position(*asked, order)
            after = State(position, microseconds(order), metadata, order)
        elif metadata != before.metadata:
            after = State(before.position, microseconds(order), metadata, order)
        else:
            after = before
        more_before = self.shift(before.position, entry_id) if before else 0
        self._now[entry_id] = after
        return Step(entry_id, before, after, more_before, self.shift(after.position, entry_id))

    def remove(self, entry_id: str) -> None:
        """Takes an entry off the board."""
        self._now[entry_id] = None

    def writes(self) -> list[Write]:
        """All that is to be written, which is nothing where every entry is as it was."""
        moves = self._moves()
        by_shard: defaultdict[int, Counter[int]] = defaultdict(Counter)
        sizes: Counter[int] = Counter()
        for entry_id, stored, state in moves:
            shard = self.board.shard(entry_id)
            by_shard[shard].update([state.bucket] if state else [])
            by_shard[shard].subtract([stored.bucket] if stored else [])
            sizes[shard] += (state is not None) - (stored is not None)
        latest = max((state.version for _, _, state in moves if state), default=0)
        heads = [
            _head(self.board.head_key(shard), counts, sizes[shard], latest)
            for shard, counts in sorted(by_shard.items())
        ]
        return [*heads, *(write for move in moves for write in _entry(self.board, *move))]

    def shift(self, position: Position, own: str) -> int:
        """How many more entries than were read stand before a position, `own` left out."""
        key = position.key()
        more = 0
        for entry_id, state in self._now.items():
            stored = self.stored.get(entry_id)
            more -= stored is not None and stored.position.key() < key
            more += state is not None and entry_id != own and state.position.key() < key
        return more

    def _moves(self) -> list[tuple[str, State | None, State | None]]:
        return [
            (entry_id, self.stored.get(entry_id), state)
            for entry_id, state in self._now.items()
            if state != self.stored.get(entry_id)
        ]

    def _state(self, entry_id: str) -> State | None:
        return self._now[entry_id] if entry_id in self._now else self.stored.get(entry_id)


async def write(database: DynamoDb, what: Query, board: Board, writes: Sequence[Write]) -> None:
    """All of them or none. Raises Moved where something is not as it was read, or the board is gone: who reads again
    learns which."""
    if not writes:
        return
    heads = set(board.head_keys())
    if not any(one.key in heads for one in writes):
        # Nothing of the board changes, and still it must be there.
        writes = [*writes, Check(board.head_key(0), _THERE)]
    try:
        await database.write(what, writes)
    except (ConditionFailed, WriteConflict) as error:
        raise Moved from error


def entry_of(entry_id: str, state: State, ahead: Ahead) -> Entry:
    """The entry as it is answered."""
    position = state.position
    return Entry(
        entry_id,
        position.place(),
        position.score,
        position.subscore,
        ahead.rank,
        state.metadata,
        state.updated_at_us,
        ahead.error,
    )


def _head(key: Key, counts: Mapping[int, int], size: int, latest: int) -> Update:
    """The write of a shard's head; `latest` is 0 where no order number was drawn. The head's only rises: whoever draws
    one later must see the latest of all that were answered, by whatever clock it was drawn."""
    changed = {bucket: by for bucket, by in sorted(counts.items()) if by}
    names = {f"#b{place}": bucket_attribute(bucket) for place, bucket in enumerate(changed)}
    params = {f":b{place}": by for place, by in enumerate(changed.values())}
    adds = ["n :n", "v :one", *(f"#b{place} :b{place}" for place in range(len(changed)))]
    add = f"ADD {', '.join(adds)}"
    params = {":n": size, ":one": 1, **params}
    if not latest:
        return Update(key, _THERE, params, names, expression=add)
    return Update(key, "t <= :t", {**params, ":t": latest}, names, expression=f"SET t = :t {add}")


def _entry(board: Board, entry_id: str, stored: State | None, state: State | None) -> list[Write]:
    where = board.where_key(entry_id)
    condition, params = (_AS_READ, {":v": stored.version}) if stored else (_NEW, {})
    writes: list[Write] = []
    if stored and (state is None or state.position != stored.position):
        writes.append(Delete(board.entry_key(entry_id, stored.position)))
    if state is None:
        return [*writes, Delete(where, condition, params)]
    key = board.entry_key(entry_id, state.position)
    about: dict[str, Value] = {"v": state.version, "u": state.updated_at_us}
    entry: Item = {**about, "m": state.metadata} if state.metadata else about
    return [
        *writes,
        Put(key, item=entry),
        Put(where, condition, params, item={**about, "k": key.sort, "m": int(bool(state.metadata))}),
    ]
