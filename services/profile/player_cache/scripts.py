"""The cache's Lua scripts as methods: what goes into KEYS and ARGV, and what comes back.

A script runs once for each entry; all entries of a call go to the server together. Every method raises
StoreUnavailable and DeadlineReached.
"""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from services.profile.player import Player
from services.profile.player_cache.entry import EntryLife, entry_key, payload_of, player_in
from shared.stores.valkey import Valkey, load_script
from shared.work.bounds import WRITER_MS

_LUA = Path(__file__).parent / "lua"
READ = load_script(_LUA / "read.lua", "players_cache", writes=False)
FILL = load_script(_LUA / "fill.lua", "players_cache", writes=True)
BEGIN_WRITE = load_script(_LUA / "begin_write.lua", "players_cache", writes=True)
END_WRITE = load_script(_LUA / "end_write.lua", "players_cache", writes=True)

# A reader that has not filled its entries after this time loses its lease to the next reader.
LEASE_MS = 3_000

# What end_write.lua gets instead of a version: nothing was written; or something may have been, and nobody knows the
# version.
NOTHING_WRITTEN, UNKNOWN_VERSION = "", "?"


class Look(NamedTuple):
    """What one look into an entry came to: the player, if it is there; `state` as read.lua tells; for "wait", the token
    of whoever loads it."""

    player: Player | None
    state: bytes
    token: bytes


class CacheScripts:
    """The scripts on one server."""

    def __init__(self, valkey: Valkey, life: EntryLife) -> None:
        self._valkey = valkey
        self._life = life
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count()

    def new_token(self) -> str:
        """A name for one lease or one announcement, which nobody else has."""
        return f"{self._process}-{next(self._numbers)}"

    async def read(self, player_ids: Sequence[UUID], token: str) -> list[Look]:
        """Looks for players, in their order. The token gets the lease on those that the caller is to load."""
        calls = [((entry_key(player_id),), (token, LEASE_MS, self._life.early_ms)) for player_id in player_ids]
        answers = await self._valkey.run_each(READ, calls)
        return [Look(player_in(payload) if payload else None, state, lease) for payload, state, lease in answers]

    async def fill(self, player_ids: Sequence[UUID], players: Mapping[UUID, Player], token: str) -> None:
        """Puts players that were loaded under the token's lease; those that do not exist only lose the lease."""
        calls = []
        for player_id in player_ids:
            player = players.get(player_id)
            version = player.version if player else ""
            calls.append(((entry_key(player_id),), (token, version, payload_of(player), self._life.draw_ms())))
        await self._valkey.run_each(FILL, calls)

    async def begin_write(self, player_ids: Sequence[UUID], token: str) -> None:
        """Announces a writer: from now on nobody fills these entries."""
        await self._valkey.run_each(BEGIN_WRITE, [((entry_key(i),), (token, WRITER_MS)) for i in player_ids])

    async def end_write(
        self, player_ids: Sequence[UUID], token: str, written: Mapping[UUID, tuple[int, Player | None]], otherwise: str
    ) -> None:
        """Ends a writer. `written` has the version of each player that was written, and the player itself if the writer
        knows all of it. `otherwise`, NOTHING_WRITTEN or UNKNOWN_VERSION, is said of the other players."""
        calls = []
        for player_id in player_ids:
            version, player = written.get(player_id, (otherwise, None))
            payload, life_ms = payload_of(player), self._life.draw_ms()
            calls.append(((entry_key(player_id),), (token, version, payload, life_ms, WRITER_MS)))
        await self._valkey.run_each(END_WRITE, calls)
