"""Matches in a SQL database. A method for each RPC, a query of the same name for each method."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from services.inventory.known_players.known_players import KnownPlayers
from services.inventory.matches.types import KEPT_MATCH, MATCH, Match, MatchPosition, MatchResult, finished
from shared.contract.errors import AlreadyExists, NotFound
from shared.contract.paging import LARGEST_PAGE_BYTES, Page
from shared.stores.errors import SPOILED, ConstraintViolated
from shared.stores.postgres import Postgres, queries
from shared.stores.postgres.patience import waited
from shared.stores.postgres.queries import Query
from shared.stores.postgres.reads import Reads
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords
from shared.stores.requests.refusal import Refusal, outcome
from shared.work import deadline
from shared.work.batching import Batcher, Busy
from shared.work.bounds import BATCH_BOUND_S

QUERIES = queries.load(
    Path(__file__).with_name("queries.sql"), PIECES | queries.load_pieces(Path(__file__).with_name("pieces.sql"))
)

# The matches of a page are read this many at a time, so that of large ones not many more are read than fit the page.
PART = 50


_START = MatchPosition(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: str


@dataclass(frozen=True, slots=True)
class _Found:
    match: str


@dataclass(frozen=True, slots=True)
class _Recorded:
    request_id: UUID


@dataclass(frozen=True, slots=True)
class _RecordRequest:
    """A match to be written; the store puts those of many callers into one statement. `until` is its call's deadline,
    in the event loop's time."""

    match: Match
    key: RequestKey
    until: float

    def touches(self) -> Iterable[Hashable]:
        """What no two matches of one statement may have in common."""
        return self.key.request_id, self.match.match_id

    def json(self, until: float) -> str:
        """The JSON that the query record_match takes; `until` is the deadline of the whole statement."""
        request_id, method, fingerprint = self.key.request_id, self.key.method, self.key.fingerprint.hex()
        earlier_s = max(0.0, until - self.until)
        match = MATCH.dump_json(self.match).decode()
        return (
            f'{{"request_id":"{request_id}","method":"{method}","fingerprint":"{fingerprint}",'
            f'"earlier_s":{earlier_s},"match":{match}}}'
        )


class SqlMatchStore:
    """A MatchStore. Every change and its request record are one statement: all of it happens, or none."""

    def __init__(self, database: Postgres, requests: RequestRecords, players: KnownPlayers) -> None:
        self._database = database
        self._reads = database.reads
        self._requests = requests
        self._players = players
        self._queries = QUERIES.of(database.dialect)
        # A match_id that is taken fails the whole statement.
        self._records: Batcher[_RecordRequest, Match | None] = Batcher(
            partial(self._record, self._queries["record_match"]),
            _RecordRequest.touches,
            alone=self._record_alone,
            spoiled=SPOILED,
        )

    async def start_match(self, match: Match, key: RequestKey) -> Match:
        """Raises NotFound, AlreadyExists, RequestIdReused."""
        return await self.record_match(match, key)

    async def record_match(self, match: Match, key: RequestKey) -> Match:
        """Raises NotFound, AlreadyExists, RequestIdReused."""

        async def effect() -> Match | None:
            await self._players.require([player.player_id for player in match.players])
            return await self._records.do(_RecordRequest(match, key, deadline.until(BATCH_BOUND_S)))

        return await self._requests.once(key, effect, KEPT_MATCH)

    async def finish_match(self, match_id: UUID, result: MatchResult, key: RequestKey) -> Match:
        """Raises NotFound, PreconditionFailed, FieldInvalid, RequestIdReused."""

        async def effect() -> Match | Refusal | None:
            await self._players.require([of_one.player.player_id for of_one in result.results])
            match = finished(await self._get_match(self._database, match_id), result)
            params = {"match": MATCH.dump_json(match).decode(), **key.params(), **KEPT_MATCH.params()}
            rows = await self._database.fetch(self._queries["finish_match"], params, _Answered, repeatable=True)
            return outcome(rows[0].answer, KEPT_MATCH.read) if rows else None

        return await self._requests.once(key, effect, KEPT_MATCH)

    async def get_match(self, match_id: UUID) -> Match:
        """Raises NotFound."""
        if self._database.dialect.follower_reads:
            # One that is finished never changes again: it may come from a replica that lags behind.
            for row in await self._get(self._database, [match_id], "get_past_matches"):
                match = MATCH.validate_json(row.match)
                if match.ended_at is not None:
                    return match
        return await self._get_match(self._reads, match_id)

    async def list_matches(
        self, player_id: UUID | None, game_mode: str | None, after: MatchPosition | None, limit: int
    ) -> Page[Match]:
        """Up to `limit` matches after a position, fewer where they are large."""
        after = after or _START
        params = {
            "player_id": player_id,
            "game_mode": game_mode,
            "after": after.started_at,
            "after_id": after.match_id,
            # One more than the page shows whether there is a next one.
            "limit": limit + 1,
        }
        found = await self._reads.fetch(self._queries[_list_query(player_id, game_mode)], params, MatchPosition)
        wanted = [position.match_id for position in found[:limit]]
        matches: list[Match] = []
        room = LARGEST_PAGE_BYTES
        for at in range(0, len(wanted), PART):
            if room <= 0:
                break
            part = wanted[at : at + PART]
            rows = await self._get(self._reads, part, "get_past_matches")
            if len(rows) < len(part):
                # It was another replica, farther behind than the one that knew these ids.
                rows = await self._get(self._database, part)
            matches += [MATCH.validate_json(row.match) for row in rows]
            room -= sum(len(row.match) for row in rows)
        return Page(matches, more=len(found) > len(matches))

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._records.close()

    async def _record(self, query: Query, asked: Sequence[_RecordRequest]) -> list[Match | Busy | None]:
        """The match recorded for each request; None for one that was done before, or too late."""
        until = deadline.until(BATCH_BOUND_S)
        params = {"asked": f"[{','.join(request.json(until) for request in asked)}]", **KEPT_MATCH.params()}
        rows = await self._database.fetch(query, params, _Recorded, repeatable=True)
        recorded = {row.request_id for row in rows}
        return [request.match if request.key.request_id in recorded else None for request in asked]

    async def _record_alone(self, request: _RecordRequest) -> Match | Busy | None:
        try:
            return await waited(self._record(self._queries["record_match"].patient(), [request]))
        except ConstraintViolated as error:
            if error.name not in ("matches_pkey", "match_players_pkey"):
                raise
            raise _match_id_taken(request.match.match_id) from error

    async def _get_match(self, reads: Reads, match_id: UUID) -> Match:
        rows = await self._get(reads, [match_id])
        if not rows:
            raise NotFound("MATCH_NOT_FOUND", "no match has this match_id", match_id=match_id)
        return MATCH.validate_json(rows[0].match)

    async def _get(self, reads: Reads, match_ids: Sequence[UUID], query: str = "get_matches") -> list[_Found]:
        return await reads.fetch(self._queries[query], {"match_ids": list(match_ids)}, _Found)


def _list_query(player_id: UUID | None, game_mode: str | None) -> str:
    if player_id is None:
        return "list_matches" if game_mode is None else "list_matches_of_game_mode"
    return "list_matches_of_player" if game_mode is None else "list_matches_of_player_and_game_mode"


def _match_id_taken(match_id: UUID) -> AlreadyExists:
    return AlreadyExists("MATCH_ID_TAKEN", "a match with this match_id exists already", match_id=match_id)
