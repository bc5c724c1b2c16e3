"""The cache's Lua scripts as methods: what goes into KEYS and ARGV, and what comes back.

Every method raises StoreUnavailable and DeadlineReached. What it asks of many entries goes to the server together.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple, TypeVar, cast
from uuid import UUID

from services.profile.player import Player, values
from services.profile.player_cache.entry import Encode, EntryLife, Loaded, entry_key
from shared.stores.valkey import Script, Valkey, Value, load_script
from shared.work.bounds import WRITER_MS

T = TypeVar("T")

_LUA = Path(__file__).parent / "lua"
_TABLE = "players_cache"


@dataclass(frozen=True)
class _Scripts:
    """Those for a server alone, or those for servers that take each other's place, which begin with `reign.lua`."""

    peek: Script
    read: Script
    fill: Script
    begin_write: Script
    end_write: Script

    @classmethod
    def load(cls, peek: str, first: Path | None) -> "_Scripts":
        """`first` is what comes before each that changes entries."""
        return cls(
            load_script(_LUA / peek, _TABLE, writes=False),
            *(
                load_script(_LUA / f"{name}.lua", _TABLE, writes=name != "read", first=first)
                for name in ("read", "fill", "begin_write", "end_write")
            ),
        )


_ALONE = _Scripts.load("peek.lua", None)
_IN_REIGNS = _Scripts.load("peek_in_reign.lua", _LUA / "reign.lua")

# A reader that has not filled its entries after this time loses its lease to the next reader.
LEASE_MS = 3_000

# Entries of one script call: the server does nothing else meanwhile, some 0.1 ms.
AT_ONCE = 100

# After a change among the servers (a failover, keys that have moved), nothing is put for this long: a writer that has
# announced itself before, of which the servers may not know any more, has ended by then (docs/adr/0003).
SETTLE_S = WRITER_MS / 1000

# What end_write.lua gets instead of a version: nothing was written; or something may have been, and nobody knows the
# version.
NOTHING_WRITTEN, UNKNOWN_VERSION = "", "?"

# What one look into an entry came to: the payload alone where the entry was found and nothing is to be done; else the
# payload or nothing, the state as read.lua tells, and for "wait" the token of whoever loads the player.
Look = bytes | tuple[bytes, bytes, bytes]
# Load the player, and put nothing.
BYPASS: Look = (b"", b"bypass", b"")


class Fill(NamedTuple):
    """What a load has found out about one entry that its reader has the lease on; `loaded` is None where there is no
    such player, or the load has failed."""

    player_id: str
    token: str
    loaded: Loaded | None


class CacheScripts:
    """The scripts on one server, or on those that share the players or take each other's place."""

    def __init__(self, valkey: Valkey, life: EntryLife, encode: Encode, settle_s: float = SETTLE_S) -> None:
        self._valkey = valkey
        self._life = life
        self._encode = encode
        self._settle_s = settle_s
        self._scripts = _IN_REIGNS if valkey.tells_reign else _ALONE
        self._at_once = 1 if valkey.apart else AT_ONCE
        self._process = secrets.token_hex(6)
        self._numbers = count()

    def new_token(self) -> str:
        """A name for one lease or one announcement, which nobody else has."""
        return f"{self._process}-{next(self._numbers)}"

    async def read_one(self, player_id: str, token: str) -> Look:
        """Looks for a player. The token gets the lease if the caller is to load the player."""
        if not self._settled():
            [payload] = await self.peek((player_id,))
            return payload or BYPASS
        return cast(
            Look,
            await self._valkey.run(self._scripts.read, (entry_key(player_id),), (token, LEASE_MS, self._life.early_ms)),
        )

    async def peek(self, player_ids: Sequence[str]) -> list[bytes | None]:
        """The payloads of players that nothing has to be done for, None for the others, in their order. Of a batch
        nearly all are such ones."""
        calls = [(list(map(entry_key, some)), (self._life.early_ms,)) for some in self._parts(player_ids)]
        return list(chain.from_iterable(await self._valkey.run_each(self._scripts.peek, calls)))

    async def read(self, player_ids: Sequence[str], token: str) -> list[Look]:
        """Likewise `read_one` for many, in their order, which `peek` has not found."""
        if not self._settled():
            return [BYPASS] * len(player_ids)
        args = (token, LEASE_MS, self._life.early_ms)
        return await self._valkey.run_each(
            self._scripts.read, [((entry_key(player_id),), args) for player_id in player_ids]
        )

    async def fill(self, fills: Sequence[Fill]) -> None:
        """Puts players that were loaded under a lease; where nothing was, only the lease is ended."""
        calls = []
        settled = self._settled()
        for player_id, token, loaded in fills:
            payload, version = (settled and loaded) or (b"", "")
            calls.append(((entry_key(player_id),), (token, self._life.draw_ms(), version, payload)))
        await self._valkey.run_each(self._scripts.fill, calls)

    async def begin_write(self, player_ids: Sequence[UUID], token: str) -> None:
        """Announces a writer: from now on nobody fills these entries."""
        calls = [(list(map(entry_key, some)), (token, WRITER_MS)) for some in self._parts(player_ids)]
        await self._valkey.run_each(self._scripts.begin_write, calls)

    async def end_write(
        self, player_ids: Sequence[UUID], token: str, written: Mapping[UUID, tuple[int, Player | None]], otherwise: str
    ) -> None:
        """Ends a writer. `written` has the version of each player that was written, and the player itself if the writer
        knows all of it. `otherwise`, NOTHING_WRITTEN or UNKNOWN_VERSION, is said of the other players."""
        calls = []
        settled = self._settled()
        for some in self._parts(player_ids):
            args: list[Value] = [token, WRITER_MS]
            for player_id in some:
                version, player = written.get(player_id, (otherwise, None))
                args += (version, self._encode(values(player)) if player and settled else b"", self._life.draw_ms())
            calls.append((list(map(entry_key, some)), args))
        await self._valkey.run_each(self._scripts.end_write, calls)

    def _settled(self) -> bool:
        """Whether every announcement that the servers may have lost is over. Until then a lease proves nothing, so
        nobody gets one, and nothing is put; what others have put is right, since they have waited too."""
        changed_at = self._valkey.changed_at
        return not changed_at or time.monotonic() - changed_at >= self._settle_s

    def _parts(self, player_ids: Sequence[T]) -> Iterator[Sequence[T]]:
        """A script for many entries costs half as much as one for each; but the server does nothing else meanwhile.
        In a cluster nearly every entry lies in another slot."""
        return (player_ids[i : i + self._at_once] for i in range(0, len(player_ids), self._at_once))
