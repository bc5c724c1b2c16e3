"""Players in a SQL database, behind their cache. A method for each RPC, a query of the same name for each method."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from pydantic_core import to_json

from services.profile.player import Player
from services.profile.player_cache.cache import Loaded, PlayerCache, Players
from services.profile.players.progress import ProgressBatches
from services.profile.players.types import (
    KEPT_PLAYER,
    KEPT_PLAYERS,
    NewPlayer,
    PlayerChange,
    PlayerOrder,
    PlayerPosition,
    PlayerRow,
    Progress,
)
from services.profile.players.updates import UpdateBatches
from shared.contract.errors import AlreadyExists, DeadlineReached, EtagMismatch, NotFound, player_not_found
from shared.stores.errors import SPOILED, ConstraintViolated
from shared.stores.postgres import Postgres, queries
from shared.stores.postgres.patience import waited
from shared.stores.postgres.queries import Query
from shared.stores.requests.effects import Effects
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords
from shared.stores.requests.refusal import Refusal
from shared.work import deadline
from shared.work.batching import BUSY, Batcher, Busy
from shared.work.bounds import BATCH_BOUND_S

QUERIES = queries.load(
    Path(__file__).with_name("queries.sql"), PIECES | queries.load_pieces(Path(__file__).with_name("pieces.sql"))
)

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


@dataclass(frozen=True, slots=True)
class _Version:
    version: int


@dataclass(frozen=True, slots=True)
class _New:
    """A player to be made without a request_id. `until` is its call's deadline, in the event loop's time."""

    player: NewPlayer
    until: float


class SqlPlayerStore:
    """A PlayerStore."""

    def __init__(self, database: Postgres, requests: RequestRecords, cache: PlayerCache) -> None:
        self._database = database
        self._reads = database.reads
        self._requests = requests
        self._cache = cache
        self._queries = QUERIES.of(database.dialect)
        self._loads: Batcher[Sequence[str], dict[str, Loaded]] = Batcher(
            self._load_all, keys=lambda _: (), weight=len, most=_LOADED_AT_ONCE
        )
        self._creations: Batcher[_New, Player | None] = Batcher(
            partial(self._create_all, self._queries["create_player"]),
            lambda new: new.player.unique(),
            alone=self._create_alone,
            spoiled=SPOILED,
        )
        self._creations_once = Effects(database, self._queries["create_player_once"], KEPT_PLAYER)
        self._updates = UpdateBatches(database, self._queries["update_player"], cache)
        self._progress = ProgressBatches(database, self._queries["batch_apply_progress"], cache)

    async def create_player(self, new: NewPlayer, key: RequestKey | None) -> Player:
        """Raises AlreadyExists; with a key, RequestIdReused."""

        if key is None:
            with _naming_what_is_taken():
                player = await self._creations.do(_New(new, deadline.until(BATCH_BOUND_S)))
            if player is None:
                # It came too late.
                raise DeadlineReached
            return player

        async def effect() -> Player | Refusal | None:
            with _naming_what_is_taken():
                return await self._creations_once.do(key, new.params(), keys=new.unique())

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
        rows = await self._reads.fetch(self._queries[query], {"key": key}, Player)
        if not rows:
            raise NotFound("PLAYER_NOT_FOUND", "no player has this name or address", key=key)
        return rows[0]

    async def update_player(self, change: PlayerChange) -> Player:
        """Raises NotFound, EtagMismatch, AlreadyExists."""
        with _naming_what_is_taken():
            return await self._updates.do(change)

    async def batch_apply_progress(self, changes: Sequence[Progress], key: RequestKey) -> list[Player]:
        """All or nothing; the players after it, without their attributes. Raises NotFound, PreconditionFailed,
        RequestIdReused."""
        return await self._requests.once(key, lambda: self._progress.do(changes, key), KEPT_PLAYERS)

    async def record_login(self, player_id: UUID) -> Player:
        """Raises NotFound."""

        async def write() -> list[Player]:
            params = {"player_id": player_id}
            return await self._database.fetch(self._queries["record_login"], params, Player, repeatable=True)

        async with self._cache.writing([player_id]) as written:
            player = await self._touched(player_id, write)
            written(player_id, player.version, player)
        return player

    async def list_players(
        self, order: PlayerOrder, min_mmr: int, max_mmr: int, after: PlayerPosition | None, limit: int
    ) -> list[Player]:
        """Up to `limit` players after a position."""
        params = {
            "min_mmr": min_mmr,
            "max_mmr": max_mmr,
            "after": after.value if after else order.top,
            "after_id": after.player_id if after else _LAST_ID,
            "limit": limit,
        }
        return await self._reads.fetch(self._queries[f"list_players_by_{order.name.lower()}"], params, Player)

    async def delete_player(self, player_id: UUID, version: int | None) -> None:
        """Raises NotFound, EtagMismatch."""

        async def write() -> list[_Version]:
            params = {"player_id": player_id, "version": version}
            return await self._database.fetch(self._queries["delete_player"], params, _Version, repeatable=False)

        async with self._cache.writing([player_id]) as written:
            written(player_id, (await self._touched(player_id, write, version)).version, None)

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        for batches in (self._creations, self._creations_once, self._updates, self._progress, self._loads):
            await batches.close()

    async def _create_all(self, query: Query, new: Sequence[_New]) -> list[Player | Busy | None]:
        """The player made for each; None for one that came too late; BUSY where something is taken, as it seems."""
        until = deadline.until(BATCH_BOUND_S)
        asked = [
            {"number": number, "earlier_s": max(0.0, until - each.until), **each.player.params()}
            for number, each in enumerate(new)
        ]
        # Not repeatable: the second time, the names would be taken by the first.
        rows = await self._database.fetch(query, {"asked": to_json(asked).decode()}, PlayerRow, repeatable=False)
        made: list[Player | Busy | None] = [None] * len(new)
        for row in rows:
            made[row.number] = row.player() or BUSY
        return made

    async def _create_alone(self, new: _New) -> Player | Busy | None:
        return await waited(self._create_all(self._queries["create_player"].patient(), [new]))

    async def _touched(self, player_id: UUID, write: Callable[[], Awaitable[list[T]]], version: int | None = None) -> T:
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
        """Those that exist, as the database has them now; callers who come at the same time share a statement. Never
        from a replica: what is loaded goes into the cache, where an old row would stay."""
        if len(player_ids) >= _LOADED_AT_ONCE:
            return (await self._load_all([player_ids]))[0]
        return await self._loads.do(player_ids)

    async def _load_all(self, loads: Sequence[Sequence[str]]) -> list[dict[str, Loaded]]:
        player_ids = loads[0] if len(loads) == 1 else list({player_id for load in loads for player_id in load})
        rows = await self._database.fetch_rows(self._queries["batch_get_players"], {"player_ids": player_ids})
        found, size = {}, 0
        for row in rows:
            found[row[0]] = loaded = Loaded(self._cache.encode(row), row[-1])
            size += len(loaded.payload)
            if size > _ENCODED_A_TURN:
                await asyncio.sleep(0)
                size = 0
        return [{player_id: found[player_id] for player_id in load if player_id in found} for load in loads]


@contextmanager
def _naming_what_is_taken() -> Iterator[None]:
    """Turns what the database found to be there already into AlreadyExists."""
    try:
        yield
    except ConstraintViolated as error:
        if error.name not in _TAKEN:
            raise
        reason, message = _TAKEN[error.name]
        raise AlreadyExists(reason, message) from error
