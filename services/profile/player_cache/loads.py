"""Loads players from the database for the cache: once for all readers of a process, and early for entries that are
about to expire."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.profile.player_cache.entry import Load, Players
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import LEASE_MS, CacheScripts
from shared.contract.errors import SavepointError
from shared.work import background, deadline

_log = logging.getLogger("savepoint.cache")

REFRESH_BOUND_S = 5.0


class Loads:
    """The loads under way in one process."""

    def __init__(self, scripts: CacheScripts, outage: Outage) -> None:
        self._scripts = scripts
        self._outage = outage
        # By their lease token.
        self._under_way: dict[str, asyncio.Future[Players]] = {}
        self._refreshing: set[asyncio.Task[None]] = set()

    async def load(self, leased: Sequence[UUID], bypassed: Sequence[UUID], token: str, load: Load) -> Players:
        """Loads the leased and the bypassed players, and fills the cache with the leased ones."""
        loaded: asyncio.Future[Players] = asyncio.get_running_loop().create_future()
        self._under_way[token] = loaded
        try:
            players = await load([*leased, *bypassed])
            loaded.set_result(players)
            await self._outage.ask(self._scripts.fill, leased, players, token)
            return players
        finally:
            # Readers who wait for a load that failed make their own.
            loaded.cancel()
            del self._under_way[token]

    async def join(self, loaded_elsewhere: Mapping[UUID, str]) -> tuple[Players, list[UUID]]:
        """What loads of this process bring, and which players another process is still loading.

        A write would have dropped the lease. So where the lease was still there when we looked, no write has been
        announced since it was given, and what its owner loads is as new as what we would load.
        """
        players: Players = {}
        others: list[UUID] = []
        for player_id, token in loaded_elsewhere.items():
            loaded = self._under_way.get(token)
            if loaded is None:
                others.append(player_id)
                continue
            done, _ = await asyncio.wait([loaded], timeout=deadline.remaining(LEASE_MS / 1000))
            if not done or loaded.cancelled():
                others.append(player_id)
            elif player := loaded.result().get(player_id):
                players[player_id] = player
        return players, others

    def refresh(self, player_ids: Sequence[UUID], token: str, load: Load) -> None:
        """Loads entries anew that are about to end, while their readers go on with what they have."""

        async def refresh() -> None:
            deadline.start(REFRESH_BOUND_S)
            try:
                await self._outage.ask(self._scripts.fill, player_ids, await load(player_ids), token)
            except SavepointError as error:
                _log.debug("an early refresh failed: %s", error.message)

        background.once(refresh(), "player-cache-refresh", self._refreshing)

    async def close(self) -> None:
        """Ends the refreshes."""
        for task in self._refreshing:
            task.cancel()
        await asyncio.gather(*self._refreshing, return_exceptions=True)
