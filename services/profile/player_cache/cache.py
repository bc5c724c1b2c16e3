"""Players in Valkey, beside the database: one reader at a time loads a missing player, and no old row is put back.

`reads` looks into it, `loads` fills it, `writes` keeps stale rows out while a write is on its way, and `outage` is what
happens while its server is away. `scripts` has the Lua scripts by which they all use an entry, each in one step on the
server. No script puts an older version over a newer one.
"""

from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from services.profile.player_cache.entry import Encode, EntryLife, Load, Loaded, Players, entry_key
from services.profile.player_cache.loads import Loads
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.reads import Reads
from services.profile.player_cache.scripts import SETTLE_S, CacheScripts
from services.profile.player_cache.writes import Writes, Written
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import CacheMetrics

__all__ = ["Encode", "Load", "Loaded", "PlayerCache", "Players", "Written", "entry_key"]


class PlayerCache:
    """The players' cache of one process. `encode` makes what is kept of a player, and what reads return."""

    def __init__(
        self, valkey: Valkey, ttl_s: int, metrics: CacheMetrics, encode: Encode, settle_s: float = SETTLE_S
    ) -> None:
        self.encode = encode
        scripts = CacheScripts(valkey, EntryLife(ttl_s), encode, settle_s)
        outage = Outage(scripts)
        self._loads = Loads(scripts, outage)
        self._reads = Reads(scripts, outage, self._loads, encode, metrics)
        self._writes = Writes(scripts, outage)

    def get_one(self, player_id: str, load: Load) -> Coroutine[Any, Any, bytes | None]:
        """The player as bytes, or None where there is no such player; `load` reads the player from the database where
        the cache does not have it."""
        return self._reads.get_one(player_id, load)

    def get(self, player_ids: Sequence[str], load: Load) -> Coroutine[Any, Any, Players]:
        """Likewise for many: the players that exist, by id."""
        return self._reads.get(player_ids, load)

    def writing(self, player_ids: Sequence[UUID]) -> AbstractAsyncContextManager[Written]:
        """Surrounds a write. The body says what it wrote: id, version, and the player if it has all of it."""
        return self._writes.writing(player_ids)

    async def filled(self) -> None:
        """Returns when what was loaded until now is in the cache, as far as it can be; soon, in any case."""
        await self._loads.filled()

    async def close(self) -> None:
        """Ends what runs in the background."""
        await self._writes.close()
        await self._loads.close()
