"""UpdatePlayer: the changes of many callers in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic_core import to_json

from services.profile.player import Player
from services.profile.player_cache.cache import PlayerCache
from services.profile.players.types import PlayerChange, PlayerRow
from shared.contract.errors import DeadlineReached, EtagMismatch, player_not_found
from shared.stores.errors import SPOILED
from shared.stores.postgres import Postgres
from shared.stores.postgres.arrays import array
from shared.stores.postgres.patience import waited
from shared.stores.postgres.queries import Query
from shared.work import deadline
from shared.work.batching import BUSY, Batcher, Busy
from shared.work.bounds import BATCH_BOUND_S


@dataclass(frozen=True, slots=True)
class _Update:
    """One change. `until` is its call's deadline, in the event loop's time."""

    change: PlayerChange
    until: float


@dataclass(frozen=True, slots=True)
class _Updated(PlayerRow):
    busy: bool
    # The version of the player, who is locked; null where there is none.
    version_before: int | None

    def result(self, change: PlayerChange) -> Player | Exception | Busy:
        """What became of a change."""
        if self.busy:
            return BUSY
        if player := self.player():
            return player
        if self.version_before is None:
            return player_not_found(change.player_id)
        return EtagMismatch(str(self.version_before))


class UpdateBatches:
    """What UpdatePlayer does."""

    def __init__(self, database: Postgres, query: Query, cache: PlayerCache) -> None:
        self._database = database
        self._query = query
        self._patient = query.patient()
        self._cache = cache
        self._anyway = self._batcher(repeatable=True)
        # A statement with an etag is not sent again when nobody knows whether it took effect: it would not find the
        # etag that it has replaced itself.
        self._guarded = self._batcher(repeatable=False)

    async def do(self, change: PlayerChange) -> Player:
        """The player after it. Raises NotFound, EtagMismatch, ConstraintViolated for a name or an address that another
        player has, DeadlineReached."""
        batches = self._anyway if change.version is None else self._guarded
        player = await batches.do(_Update(change, deadline.until(BATCH_BOUND_S)))
        if player is None:
            # It came too late, and changed nothing.
            raise DeadlineReached
        return player

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._anyway.close()
        await self._guarded.close()

    def _batcher(self, *, repeatable: bool) -> Batcher[_Update, Player | None]:
        # A name that is taken fails the whole statement.
        return Batcher(
            partial(self._run, self._query, repeatable),
            lambda update: [update.change.player_id],
            alone=partial(self._alone, repeatable),
            spoiled=SPOILED,
        )

    async def _alone(self, repeatable: bool, update: _Update) -> Player | Exception | Busy | None:
        return await waited(self._run(self._patient, repeatable, [update]))

    async def _run(
        self, query: Query, repeatable: bool, updates: Sequence[_Update]
    ) -> Sequence[Player | Exception | Busy | None]:
        results: list[Player | Exception | Busy | None] = [None] * len(updates)
        player_ids = [update.change.player_id for update in updates]
        until = deadline.until(BATCH_BOUND_S)
        asked = [
            {"number": number, "earlier_s": max(0.0, until - update.until), **update.change.params()}
            for number, update in enumerate(updates)
        ]
        params = {"asked": to_json(asked).decode(), "rows": array(player_ids)}
        failure: Exception | None = None
        async with self._cache.writing(player_ids) as written:
            try:
                rows = await self._database.fetch(query, params, _Updated, repeatable=repeatable)
            except SPOILED as error:
                # Nothing was written, which the cache learns by our leaving quietly.
                failure, rows = error, []
            for row in rows:
                result = results[row.number] = row.result(updates[row.number].change)
                if isinstance(result, Player):
                    written(result.player_id, result.version, result)
        if failure:
            raise failure
        return results
