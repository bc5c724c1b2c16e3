"""Players in PostgreSQL, behind their cache. A method for each RPC, a query of the same name for each method."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from services.profile.player import Player
from services.profile.player_cache.cache import Loaded, PlayerCache, Players
from services.profile.players.types import (
    KEPT_PLAYER,
    KEPT_PLAYERS,
    NewPlayer,
    PlayerChange,
    PlayerPosition,
    Progress,
)
from shared.contract.errors import (
    AlreadyExists,
    DeadlineReached,
    EtagMismatch,
    NotFound,
    SavepointError,
    player_not_found,
)
from shared.stores.errors import ConstraintViolated
from shared.stores.postgres import Postgres, queries
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords, recorded_meanwhile
from shared.stores.requests.refusal import Refusal, outcome
from shared.work import deadline
from shared.work.batching import Batcher
from shared.work.bounds import BATCH_BOUND_S

QUERIES = queries.load(Path(__file__).with_name("queries.sql"), PIECES)

_TAKEN = {
    "players_username_key": ("USERNAME_TAKEN", "this username is taken; choose another"),
    "players_email_key": ("EMAIL_TAKEN", "this email address belongs to another player"),
    "players_pkey": ("PLAYER_ID_TAKEN", "a player with this player_id exists already"),
}
_LAST_ID = UUID(int=2**128 - 1)
# How often to try a write that changed no row although the row is there.
_ATTEMPTS = 3

# Players that one statement reads for several callers. Who asks for as many alone shares with nobody: the others would
# wait for all of them.
_LOADED_AT_ONCE = 100
# Making messages of large attributes takes milliseconds: after so many bytes of messages, others have a turn.
_ENCODED_A_TURN = 128 * 1024

T = TypeVar("T")


class PlayerOrder(Enum):
    """How ListPlayers sorts, each from the top: its query, the column, and what lies above its first page."""

    MMR = ("list_players_by_mmr", "mmr", 2**31 - 1)
    LEVEL = ("list_players_by_level", "level", 2**31 - 1)
    CREATED = ("list_players_by_created", "created_at", datetime.max.replace(tzinfo=UTC))

    def position(self, player: Player) -> PlayerPosition:
        """Where a player stands in this order."""
        return PlayerPosition(getattr(player, self.value[1]), player.player_id)

    def holds(self, position: PlayerPosition) -> bool:
        """Whether `position`, read from a page token, is one of this order."""
        last = self.value[2]
        if isinstance(last, datetime):
            return isinstance(position.value, datetime) and position.value.tzinfo is not None
        return isinstance(position.value, int) and 0 <= position.value <= last


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: str


@dataclass(frozen=True, slots=True)
class _Progressed:
    request_id: UUID
    answer: str
    attributes: list[str]


@dataclass(frozen=True, slots=True)
class _Version:
    version: int


@dataclass(frozen=True, slots=True)
class ProgressRequest:
    """One BatchApplyProgress; the store puts those of many callers into one statement. `until` is its call's deadline,
    in the event loop's time."""

    changes: Sequence[Progress]
    key: RequestKey
    until: float

    def touches(self) -> Iterable[Hashable]:
        """What no two requests of one statement may have in common."""
        return [self.key.request_id, *(change.player_id for change in self.changes)]


class PlayerStore:
    """Everything about players but their coins, which WalletStore moves."""

    def __init__(self, database: Postgres, requests: RequestRecords, cache: PlayerCache) -> None:
        self._database = database
        self._requests = requests
        self._cache = cache
        self._loads: Batcher[Sequence[str], dict[str, Loaded]] = Batcher(
            self._load_all, keys=lambda _: (), weight=len, most=_LOADED_AT_ONCE
        )
        self._progress: Batcher[ProgressRequest, list[Player] | Refusal | None] = Batcher(
            self._apply_progress, ProgressRequest.touches, weight=lambda request: len(request.changes), most=500
        )

    async def create_player(self, new: NewPlayer, key: RequestKey | None) -> Player:
        """Raises AlreadyExists; with a key, RequestIdReused."""
        if key is None:
            try:
                rows = await self._database.fetch(QUERIES["create_player"], asdict(new), Player)
            except ConstraintViolated as error:
                raise _taken(error) from error
            if not rows:
                raise DeadlineReached
            return rows[0]
        params = {**asdict(new), **key.params(), **KEPT_PLAYER.params()}

        async def effect() -> Player | Refusal | None:
            try:
                rows = await self._database.fetch(QUERIES["create_player_once"], params, _Answered, repeatable=True)
            except ConstraintViolated as error:
                raise _taken(error) from error
            return outcome(rows[0].answer, KEPT_PLAYER.read) if rows else None

        return await self._requests.once(key, effect, KEPT_PLAYER)

    async def get_player(self, player_id: str) -> bytes:
        """The player's message. Raises NotFound."""
        player = await self._cache.get_one(player_id, self._load)
        if player is None:
            raise player_not_found(player_id)
        return player

    async def batch_get_players(self, player_ids: Sequence[str]) -> Players:
        """The messages of those that exist, by id."""
        return await self._cache.get(player_ids, self._load)

    async def lookup_player(self, *, username: str | None = None, email: str | None = None) -> Player:
        """Finds a player by one of the two. Raises NotFound."""
        query, key = ("lookup_by_username", username) if username is not None else ("lookup_by_email", email)
        rows = await self._database.fetch(QUERIES[query], {"key": key}, Player)
        if not rows:
            raise NotFound("PLAYER_NOT_FOUND", "no player has this name or address", key=key)
        return rows[0]

    async def update_player(self, change: PlayerChange) -> Player:
        """Raises NotFound, EtagMismatch, AlreadyExists."""

        async def write() -> list[Player]:
            try:
                return await self._database.fetch(
                    QUERIES["update_player"], asdict(change), Player, repeatable=change.version is None
                )
            except ConstraintViolated as error:
                raise _taken(error) from error

        return await self._write_one(change.player_id, write, change.version)

    async def batch_apply_progress(self, changes: Sequence[Progress], key: RequestKey) -> list[Player]:
        """All or nothing; the players after it, without their attributes. Raises NotFound, PreconditionFailed,
        RequestIdReused."""
        request = ProgressRequest(changes, key, deadline.until(BATCH_BOUND_S))
        return await self._requests.once(key, lambda: self._progress.do(request), KEPT_PLAYERS)

    async def record_login(self, player_id: UUID) -> Player:
        """Raises NotFound."""

        async def write() -> list[Player]:
            params = {"player_id": player_id}
            return await self._database.fetch(QUERIES["record_login"], params, Player, repeatable=True)

        return await self._write_one(player_id, write)

    async def list_players(
        self, order: PlayerOrder, min_mmr: int, max_mmr: int, after: PlayerPosition | None, limit: int
    ) -> list[Player]:
        """Up to `limit` players after a position."""
        query, _, start = order.value
        params = {
            "min_mmr": min_mmr,
            "max_mmr": max_mmr,
            "after": after.value if after else start,
            "after_id": after.player_id if after else _LAST_ID,
            "limit": limit,
        }
        return await self._database.fetch(QUERIES[query], params, Player)

    async def delete_player(self, player_id: UUID, version: int | None) -> None:
        """Raises NotFound, EtagMismatch."""

        async def write() -> list[_Version]:
            params = {"player_id": player_id, "version": version}
            return await self._database.fetch(QUERIES["delete_player"], params, _Version, repeatable=False)

        async with self._cache.writing([player_id]) as written:
            written(player_id, (await self._touched(player_id, write, version)).version, None)

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._progress.close()
        await self._loads.close()

    async def _apply_progress(
        self, requests: Sequence[ProgressRequest]
    ) -> list[list[Player] | Refusal | Exception | None]:
        """For each request its players or its refusal; None if it was done before or came too late; or why it fails."""
        outcomes = await self._progress_outcomes(requests)
        if outcomes is not None:
            return [outcomes.get(request.key.request_id) for request in requests]
        if len(requests) == 1:
            return [None]
        # One of them raced with a repetition of itself, which failed the whole statement. Each is tried by itself now,
        # so that the others succeed.
        return [await self._apply_alone(request) for request in requests]

    async def _apply_alone(self, request: ProgressRequest) -> list[Player] | Refusal | Exception | None:
        try:
            return (await self._apply_progress([request]))[0]
        except SavepointError as error:
            return error

    async def _progress_outcomes(
        self, requests: Sequence[ProgressRequest]
    ) -> dict[UUID, list[Player] | Refusal] | None:
        """What was recorded under each request_id. None if another attempt recorded one of them first: then nothing of
        this statement happened."""
        player_ids = [change.player_id for request in requests for change in request.changes]
        outcomes: dict[UUID, list[Player] | Refusal] = {}
        async with self._cache.writing(player_ids) as written:
            try:
                rows = await self._progress_rows(requests, player_ids)
            except ConstraintViolated as error:
                if not recorded_meanwhile(error):
                    raise
                return None
            for row in rows:
                players = outcomes[row.request_id] = outcome(row.answer, KEPT_PLAYERS.read)
                if not isinstance(players, Refusal):
                    for player, attributes in zip(players, row.attributes, strict=True):
                        written(player.player_id, player.version, replace(player, attributes=attributes))
        return outcomes

    async def _progress_rows(
        self, requests: Sequence[ProgressRequest], player_ids: Sequence[UUID]
    ) -> list[_Progressed]:
        changes = [change for request in requests for change in request.changes]
        until = deadline.until(BATCH_BOUND_S)
        params = {
            "request_ids": [request.key.request_id for request in requests],
            "method": requests[0].key.method,
            "fingerprints": [request.key.fingerprint for request in requests],
            "earlier_s": [max(0.0, until - request.until) for request in requests],
            "numbers": [number for number, request in enumerate(requests, 1) for _ in request.changes],
            "player_ids": player_ids,
            "mmr_deltas": [change.mmr_delta for change in changes],
            "xp_deltas": [change.xp_delta for change in changes],
            **KEPT_PLAYERS.params(),
        }
        return await self._database.fetch(QUERIES["batch_apply_progress"], params, _Progressed, repeatable=True)

    async def _write_one(
        self, player_id: UUID, write: Callable[[], Awaitable[list[Player]]], version: int | None = None
    ) -> Player:
        async with self._cache.writing([player_id]) as written:
            player = await self._touched(player_id, write, version)
            written(player_id, player.version, player)
        return player

    async def _touched(self, player_id: UUID, write: Callable[[], Awaitable[list[T]]], version: int | None) -> T:
        """The row that a write touched. Raises NotFound, EtagMismatch when it is not the version that the caller saw,
        DeadlineReached."""
        for _ in range(_ATTEMPTS):
            if rows := await write():
                return rows[0]
            current = (await self._load([str(player_id)])).get(str(player_id))
            if current is None:
                raise player_not_found(player_id)
            if version not in (None, current.version):
                raise EtagMismatch(str(current.version))
            # The player was made after the write looked: try again. Or the write came too late, as the next ones will.
        raise DeadlineReached

    async def _load(self, player_ids: Sequence[str]) -> dict[str, Loaded]:
        """Those that exist, as the database has them now; callers who come at the same time share a statement."""
        if len(player_ids) >= _LOADED_AT_ONCE:
            return (await self._load_all([player_ids]))[0]
        return await self._loads.do(player_ids)

    async def _load_all(self, loads: Sequence[Sequence[str]]) -> list[dict[str, Loaded]]:
        player_ids = loads[0] if len(loads) == 1 else list({player_id for load in loads for player_id in load})
        rows = await self._database.fetch_rows(QUERIES["batch_get_players"], {"player_ids": player_ids})
        found, size = {}, 0
        for row in rows:
            found[row[0]] = loaded = Loaded(self._cache.encode(row), row[-1])
            size += len(loaded.payload)
            if size > _ENCODED_A_TURN:
                await asyncio.sleep(0)
                size = 0
        return [{player_id: found[player_id] for player_id in load if player_id in found} for load in loads]


def _taken(error: ConstraintViolated) -> Exception:
    if error.name not in _TAKEN:
        return error
    reason, message = _TAKEN[error.name]
    return AlreadyExists(reason, message)
