"""Reading through the cache: a reader takes the player that it finds; one that gets the lease loads it; the others
wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.profile.player_cache.entry import Load, Players
from services.profile.player_cache.loads import Loads
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import CacheScripts
from shared.telemetry.metrics import CacheMetrics

# Waits for a loader in another process: 10, 20, 40, … ms, some 600 ms in all; then the reader loads the player itself.
FIRST_WAIT_S = 0.01
MOST_WAITS = 6


@dataclass(slots=True)
class _Found:
    """What a look into the cache found, for one call. `players` were there. `leased` are those that the caller has the
    lease to load. `aging` were there, but are to be loaded anew. `bypassed` are read from the database without filling
    the cache, because a writer is at work on them, the payload cannot be read, or the cache cannot be used.
    `loaded_elsewhere` are those that another caller loads, with its token."""

    players: Players = field(default_factory=dict)
    leased: list[UUID] = field(default_factory=list)
    aging: list[UUID] = field(default_factory=list)
    bypassed: list[UUID] = field(default_factory=list)
    loaded_elsewhere: dict[UUID, str] = field(default_factory=dict)


class Reads:
    """The readers of one process."""

    def __init__(self, scripts: CacheScripts, outage: Outage, loads: Loads, metrics: CacheMetrics) -> None:
        self._scripts = scripts
        self._outage = outage
        self._loads = loads
        self._metrics = metrics

    async def get(self, player_ids: Sequence[UUID], load: Load) -> Players:
        """The players that exist, by id; `load` reads from the database those that the cache does not have."""
        wanted = list(dict.fromkeys(player_ids))
        players: Players = {}
        for attempt in range(MOST_WAITS):
            token = self._scripts.new_token()
            found = await self._look(wanted, token)
            if attempt == 0:
                self._metrics.count(len(found.players), len(wanted) - len(found.players))
            players |= found.players
            if found.aging:
                self._loads.refresh(found.aging, token, load)
            if found.leased or found.bypassed:
                players |= await self._loads.load(found.leased, found.bypassed, token, load)
            if not found.loaded_elsewhere:
                return players
            joined, wanted = await self._loads.join(found.loaded_elsewhere)
            players |= joined
            if not wanted:
                return players
            await asyncio.sleep(FIRST_WAIT_S * 2**attempt)
        return players | await load(wanted)

    async def _look(self, player_ids: Sequence[UUID], token: str) -> _Found:
        found = _Found()
        looks = await self._outage.ask(self._scripts.read, player_ids, token)
        if looks is None:
            found.bypassed = list(player_ids)
            return found
        for player_id, look in zip(player_ids, looks, strict=True):
            if look.state == b"wait":
                found.loaded_elsewhere[player_id] = look.token.decode()
            elif look.player:
                found.players[player_id] = look.player
                if look.state == b"lease":
                    found.aging.append(player_id)
            elif look.state == b"lease":
                found.leased.append(player_id)
            else:
                # A writer is at work; or the payload could not be read.
                found.bypassed.append(player_id)
        return found
