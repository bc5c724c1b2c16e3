"""Players in Valkey, beside the database: cache-aside, filled by one loader at a time, fenced against stale rows.

Who writes a player announces it before the statement that commits (begin_write.lua) and ends it after
(end_write.lua). From the announcement on, nobody can fill the entry, and readers load from the database; so a slow
reader cannot put back what a writer has just replaced, and a writer that dies between its commit and its end leaves
nothing wrong behind, only an entry that is not cached until its announcement lapses. Versions fence the rest: no
script puts an older version over a newer one.

A cache that is down costs speed, never an error. What was written meanwhile is forgotten in it before it is used again.
"""

import asyncio
import itertools
import logging
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from services.profile.player import PLAYER, Player
from shared.contract.errors import (
    AlreadyExists,
    DeadlineReached,
    EtagMismatch,
    NotFound,
    Overloaded,
    PreconditionFailed,
    RequestIdReused,
    SavepointError,
    StoreUnavailable,
)
from shared.stores.valkey import Script, Valkey, load_script
from shared.telemetry.metrics import CacheMetrics
from shared.work import background, deadline
from shared.work.bounds import WRITER_MS

_log = logging.getLogger("savepoint.cache")

_LUA = Path(__file__).parent / "lua"
READ = load_script(_LUA / "read.lua", "players_cache", writes=False)
FILL = load_script(_LUA / "fill.lua", "players_cache", writes=True)
BEGIN_WRITE = load_script(_LUA / "begin_write.lua", "players_cache", writes=True)
END_WRITE = load_script(_LUA / "end_write.lua", "players_cache", writes=True)

LEASE_MS = 3_000
REFRESH_BOUND_S = 5.0
# An entry is loaded anew in its last twentieth, and lives for 90 to 100 % of the time to live.
EARLY = 0.05
JITTER = 0.1
# Waits for a loader in another process: 10, 20, 40, … ms, some 600 ms in all, then one loads without it.
FIRST_WAIT_S = 0.01
MOST_WAITS = 6
# A cache that failed is left alone so long.
PAUSE_S = 1.0

Players = dict[UUID, Player]
Load = Callable[[Sequence[UUID]], Awaitable[Players]]
Written = Callable[[UUID, int, Player | None], None]

# Failures after which it is certain that nothing was written.
_NOTHING_WRITTEN = (NotFound, AlreadyExists, PreconditionFailed, EtagMismatch, RequestIdReused, Overloaded)
# How end_write.lua is told so, and that something may have been written, under a version that nobody knows.
_NO_VERSION, _UNKNOWN_VERSION = "", "?"
# Entries forgotten in one go, once a cache that was away answers again.
FORGOTTEN_AT_ONCE = 200


def entry_key(player_id: UUID) -> str:
    """Where a player is kept. The number goes up when Player changes its shape."""
    return f"player:1:{player_id}"


@dataclass(slots=True)
class _Found:
    """What a look into the cache came to, for one call."""

    players: Players = field(default_factory=dict)
    leased: list[UUID] = field(default_factory=list)
    aging: list[UUID] = field(default_factory=list)
    bypassed: list[UUID] = field(default_factory=list)
    loaded_elsewhere: dict[UUID, str] = field(default_factory=dict)


class PlayerCache:
    """The players' cache of one process."""

    def __init__(self, valkey: Valkey, ttl_s: int, metrics: CacheMetrics) -> None:
        self._valkey = valkey
        self._ttl_s = ttl_s
        self._metrics = metrics
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count()
        # Loads under way in this process, by their lease token.
        self._loading: dict[str, asyncio.Future[Players]] = {}
        self._refreshing: set[asyncio.Task[None]] = set()
        self._paused_until = 0.0
        # Written while the cache could not be told.
        self._owed: set[UUID] = set()
        self._paying = asyncio.Lock()

    async def get(self, player_ids: Sequence[UUID], load: Load) -> Players:
        """The players that exist, by id; `load` reads from the database those that the cache does not have."""
        wanted = list(dict.fromkeys(player_ids))
        players: Players = {}
        for attempt in range(MOST_WAITS):
            token = self._token()
            found = await self._look(wanted, token)
            if attempt == 0:
                self._metrics.count(len(found.players), len(wanted) - len(found.players))
            players |= found.players
            if found.aging:
                self._refresh(found.aging, token, load)
            if found.leased or found.bypassed:
                players |= await self._load(found.leased, found.bypassed, token, load)
            joined, wanted = await self._join(found.loaded_elsewhere)
            players |= joined
            if not wanted:
                return players
            await asyncio.sleep(FIRST_WAIT_S * 2**attempt)
        return players | await load(wanted)

    @asynccontextmanager
    async def writing(self, player_ids: Sequence[UUID]) -> AsyncIterator[Written]:
        """Surrounds a write. The body says what it wrote: id, version, and the player if it has all of it."""
        token = self._token()
        announced = await self._announce(player_ids, token)
        ends: dict[UUID, tuple[int, Player | None]] = {}

        def written(player_id: UUID, version: int, player: Player | None) -> None:
            ends[player_id] = (version, player)

        try:
            yield written
            if announced:
                await self._end(player_ids, ends, _UNKNOWN_VERSION, token)
        except _NOTHING_WRITTEN:
            if announced:
                await self._end(player_ids, {}, _NO_VERSION, token)
            raise
        finally:
            # Any other failure leaves it open whether the write took place: the announcement stands until it lapses.
            # A write that could not be announced is owed from now on, whatever has been forgotten meanwhile.
            if not announced:
                self._owed.update(player_ids)

    async def close(self) -> None:
        """Ends what runs in the background."""
        for task in self._refreshing:
            task.cancel()
        await asyncio.gather(*self._refreshing, return_exceptions=True)

    async def _look(self, player_ids: Sequence[UUID], token: str) -> _Found:
        found = _Found()
        early_ms = int(self._ttl_s * 1000 * EARLY)
        calls = [((entry_key(player_id),), (token, LEASE_MS, early_ms)) for player_id in player_ids]
        answers = await self._ask(READ, calls)
        if answers is None:
            found.bypassed = list(player_ids)
            return found
        for player_id, (payload, state, lease) in zip(player_ids, answers, strict=True):
            if state == b"wait":
                found.loaded_elsewhere[player_id] = lease.decode()
            elif state == b"bypass":
                found.bypassed.append(player_id)
            elif payload and (player := _player(payload)):
                found.players[player_id] = player
                if state == b"lease":
                    found.aging.append(player_id)
            elif state == b"lease":
                found.leased.append(player_id)
            else:
                found.bypassed.append(player_id)
        return found

    async def _load(self, leased: list[UUID], bypassed: list[UUID], token: str, load: Load) -> Players:
        """Loads both, and fills the cache with the leased ones."""
        flight: asyncio.Future[Players] = asyncio.get_running_loop().create_future()
        self._loading[token] = flight
        try:
            players = await load([*leased, *bypassed])
            flight.set_result(players)
            await self._fill(leased, players, token)
            return players
        finally:
            # Whoever waits for a load that failed makes his own.
            flight.cancel()
            del self._loading[token]

    async def _fill(self, leased: Sequence[UUID], players: Mapping[UUID, Player], token: str) -> None:
        calls = []
        for player_id in leased:
            player = players.get(player_id)
            version, payload = (player.version, PLAYER.dump_json(player)) if player else ("", b"")
            calls.append(((entry_key(player_id),), (token, version, payload, self._ttl_ms())))
        await self._ask(FILL, calls)

    async def _join(self, elsewhere: Mapping[UUID, str]) -> tuple[Players, list[UUID]]:
        """What loads of this process bring, and which players another process is still loading.

        A lease that still stood when we looked was given before any later write was announced: what its owner loads
        is as new as what we would load.
        """
        players: Players = {}
        others: list[UUID] = []
        for player_id, token in elsewhere.items():
            flight = self._loading.get(token)
            if flight is None:
                others.append(player_id)
                continue
            done, _ = await asyncio.wait([flight], timeout=deadline.remaining(LEASE_MS / 1000))
            if not done or flight.cancelled():
                others.append(player_id)
            elif player := flight.result().get(player_id):
                players[player_id] = player
        return players, others

    def _refresh(self, player_ids: list[UUID], token: str, load: Load) -> None:
        """Loads entries anew that are about to end, while their readers go on."""

        async def refresh() -> None:
            deadline.start(REFRESH_BOUND_S)
            try:
                await self._fill(player_ids, await load(player_ids), token)
            except SavepointError as error:
                _log.debug("an early refresh failed: %s", error.message)

        background.once(refresh(), "player-cache-refresh", self._refreshing)

    async def _announce(self, player_ids: Sequence[UUID], token: str) -> bool:
        calls = [((entry_key(player_id),), (token, WRITER_MS)) for player_id in player_ids]
        if await self._ask(BEGIN_WRITE, calls) is not None:
            return True
        self._owed.update(player_ids)
        return False

    async def _end(
        self, player_ids: Sequence[UUID], ends: Mapping[UUID, tuple[int, Player | None]], otherwise: str, token: str
    ) -> None:
        calls = []
        for player_id in player_ids:
            version, player = ends.get(player_id, (otherwise, None))
            payload = PLAYER.dump_json(player) if player else b""
            calls.append(((entry_key(player_id),), (token, version, payload, self._ttl_ms(), WRITER_MS)))
        await self._ask(END_WRITE, calls)

    async def _ask(
        self, script: Script, calls: Sequence[tuple[tuple[str], tuple[str | int | bytes, ...]]]
    ) -> list[list[bytes]] | None:
        """The answers of a script for each entry; None when the cache cannot be used."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            return None
        try:
            if self._paying.locked():
                return None
            if self._owed:
                async with self._paying:
                    await self._pay()
            return await self._valkey.run_each(script, calls)
        except StoreUnavailable:
            self._paused_until = loop.time() + PAUSE_S
            _log.warning(
                "the player cache does not answer; players are read from the database", extra={"pause_s": PAUSE_S}
            )
        except DeadlineReached:
            _log.debug("no time left for the player cache")
        return None

    async def _pay(self) -> None:
        """Forgets what was written while the cache could not be told, a part at a time."""
        while self._owed:
            part = {self._owed.pop() for _ in range(min(FORGOTTEN_AT_ONCE, len(self._owed)))}
            token = self._token()
            keys = [(entry_key(player_id),) for player_id in part]
            try:
                await self._valkey.run_each(BEGIN_WRITE, [(key, (token, WRITER_MS)) for key in keys])
                end = (token, _UNKNOWN_VERSION, b"", 0, WRITER_MS)
                await self._valkey.run_each(END_WRITE, [(key, end) for key in keys])
            except BaseException:
                self._owed |= part
                raise

    def _token(self) -> str:
        return f"{self._process}-{next(self._numbers)}"

    def _ttl_ms(self) -> int:
        return int(self._ttl_s * 1000 * random.uniform(1 - JITTER, 1))


def _player(payload: bytes) -> Player | None:
    try:
        return PLAYER.validate_json(payload)
    except ValidationError:
        return None
