"""Players in Valkey, beside the database: one reader at a time loads a missing player, and no old row is put back.

`reads` looks into it, `loads` fills it, `writes` keeps stale rows out while a write is on its way, and `outage` is what
happens while its server is away. `scripts` has the Lua scripts by which they all use an entry, each in one step on the
server. No script puts an older version over a newer one.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from services.profile.player_cache.entry import EntryLife, Load, Players, entry_key
from services.profile.player_cache.loads import Loads
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.reads import Reads
from services.profile.player_cache.scripts import CacheScripts
from services.profile.player_cache.writes import Writes, Written
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import CacheMetrics

__all__ = ["Load", "PlayerCache", "Players", "Written", "entry_key"]


class PlayerCache:
    """The players' cache of one process."""

    def __init__(self, valkey: Valkey, ttl_s: int, metrics: CacheMetrics) -> None:
        scripts = CacheScripts(valkey, EntryLife(ttl_s))
        outage = Outage(scripts)
        self._loads = Loads(scripts, outage)
        self._reads = Reads(scripts, outage, self._loads, metrics)
        self._writes = Writes(scripts, outage)

    async def get(self, player_ids: Sequence[UUID], load: Load) -> Players:
        """The players that exist, by id; `load` reads from the database those that the cache does not have."""
        return await self._reads.get(player_ids, load)

    def writing(self, player_ids: Sequence[UUID]) -> AbstractAsyncContextManager[Written]:
        """Surrounds a write. The body says what it wrote: id, version, and the player if it has all of it."""
        return self._writes.writing(player_ids)

    async def close(self) -> None:
        """Ends what runs in the background."""
        await self._loads.close()
