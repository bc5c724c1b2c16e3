"""BatchApplyProgress: the requests of many callers in one statement, each of which happens as a whole or not at all."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.profile.player import Player
from services.profile.player_cache.cache import PlayerCache
from services.profile.players.types import KEPT_PLAYERS, Progress
from shared.stores.errors import SPOILED
from shared.stores.postgres import Postgres
from shared.stores.postgres.arrays import array
from shared.stores.postgres.patience import waited
from shared.stores.postgres.queries import Query
from shared.stores.requests.key import RequestKey
from shared.stores.requests.refusal import Refusal, outcome
from shared.work import deadline
from shared.work.batching import BUSY, Batcher, Busy
from shared.work.bounds import BATCH_BOUND_S

# So many changes at most in one statement, but for one request that has more by itself.
_MOST = 500


@dataclass(frozen=True, slots=True)
class _Request:
    """One BatchApplyProgress. `until` is its call's deadline, in the event loop's time."""

    changes: Sequence[Progress]
    key: RequestKey
    until: float

    def touches(self) -> Iterable[Hashable]:
        """What no two requests of one statement may have in common."""
        return [self.key.request_id, *(change.player_id for change in self.changes)]


@dataclass(frozen=True, slots=True)
class _Progressed:
    number: int
    answer: str | None
    attributes: list[str] | None


class ProgressBatches:
    """What BatchApplyProgress does, under request ids."""

    def __init__(self, database: Postgres, query: Query, cache: PlayerCache) -> None:
        self._database = database
        self._query = query
        self._patient = query.patient()
        self._cache = cache
        # One that raced with a repetition of itself fails the whole statement.
        self._batches: Batcher[_Request, list[Player] | Refusal | None] = Batcher(
            self._together,
            _Request.touches,
            alone=self._alone,
            spoiled=SPOILED,
            weight=lambda request: len(request.changes),
            most=_MOST,
        )

    async def do(self, changes: Sequence[Progress], key: RequestKey) -> list[Player] | Refusal | None:
        """The players after it, without their attributes, or the refusal; None if it was done before or came too late.
        Raises ConstraintViolated if another attempt recorded its outcome meanwhile."""
        return await self._batches.do(_Request(changes, key, deadline.until(BATCH_BOUND_S)))

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._batches.close()

    async def _together(self, requests: Sequence[_Request]) -> Sequence[list[Player] | Refusal | Busy | None]:
        return await self._run(self._query, requests)

    async def _alone(self, request: _Request) -> list[Player] | Refusal | Busy | None:
        return await waited(self._run(self._patient, [request]))

    async def _run(self, query: Query, requests: Sequence[_Request]) -> Sequence[list[Player] | Refusal | Busy | None]:
        results: list[list[Player] | Refusal | Busy | None] = [None] * len(requests)
        player_ids = [change.player_id for request in requests for change in request.changes]
        failure: Exception | None = None
        async with self._cache.writing(player_ids) as written:
            try:
                rows = await self._rows(query, requests, player_ids)
            except SPOILED as error:
                # Nothing was written, which the cache learns by our leaving quietly.
                failure, rows = error, []
            for row in rows:
                if row.answer is None or row.attributes is None:
                    results[row.number - 1] = BUSY
                    continue
                players = outcome(row.answer, KEPT_PLAYERS.read)
                results[row.number - 1] = players
                if not isinstance(players, Refusal):
                    for player, attributes in zip(players, row.attributes, strict=True):
                        written(player.player_id, player.version, replace(player, attributes=attributes))
        if failure:
            raise failure
        return results

    async def _rows(
        self, query: Query, requests: Sequence[_Request], player_ids: Sequence[UUID]
    ) -> Sequence[_Progressed]:
        changes = [change for request in requests for change in request.changes]
        until = deadline.until(BATCH_BOUND_S)
        params = {
            "request_ids": array(request.key.request_id for request in requests),
            "method": requests[0].key.method,
            "fingerprints": f"{{{','.join(request.key.fingerprint.hex() for request in requests)}}}",
            "earlier_s": array(max(0.0, until - request.until) for request in requests),
            "numbers": array(number for number, request in enumerate(requests, 1) for _ in request.changes),
            "player_ids": array(player_ids),
            "mmr_deltas": array(change.mmr_delta for change in changes),
            "xp_deltas": array(change.xp_delta for change in changes),
            **KEPT_PLAYERS.params(),
        }
        return await self._database.fetch(query, params, _Progressed, repeatable=True)
