"""Loads players from the database for the cache: once for all readers of a process, and early for entries that are
about to expire.

A reader has its player as soon as the database has answered. The cache is filled after that, by one task for all loads
of the process: what has gathered while one fill was on its way goes with the next one.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from services.profile.player_cache.entry import Load, Loaded, Players
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import LEASE_MS, CacheScripts, Fill
from shared.contract.errors import SavepointError
from shared.work import background, deadline

_log = logging.getLogger("savepoint.cache")

REFRESH_BOUND_S = 5.0
FILL_BOUND_S = 0.5
# When so many loaded players wait to be put into the cache, who loads more of them waits too.
MOST_UNFILLED = 1_000


class Loads:
    """The loads under way in one process."""

    def __init__(self, scripts: CacheScripts, outage: Outage) -> None:
        self._scripts = scripts
        self._outage = outage
        # By their lease token; from the start of a load until the cache has what it brought.
        self._under_way: dict[str, asyncio.Future[Mapping[str, Loaded]]] = {}
        self._unfilled: list[Fill] = []
        self._filler: asyncio.Task[None] | None = None
        # The filler and the refreshes.
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, leased: Sequence[str], bypassed: Sequence[str], token: str, load: Load) -> Players:
        """Loads the leased and the bypassed players; the cache gets the leased ones soon after."""
        if not leased:
            return _payloads(await load(bypassed))
        loaded: asyncio.Future[Mapping[str, Loaded]] = asyncio.get_running_loop().create_future()
        self._under_way[token] = loaded
        try:
            players = await load([*leased, *bypassed] if bypassed else leased)
        except BaseException:
            # Readers who wait for a load that failed make their own.
            loaded.cancel()
            self.give_up(leased, token)
            raise
        loaded.set_result(players)
        self._fill_soon([Fill(player_id, token, players.get(player_id)) for player_id in leased])
        if len(self._unfilled) > MOST_UNFILLED and self._filler:
            await asyncio.wait([self._filler], timeout=deadline.remaining(FILL_BOUND_S))
        return _payloads(players)

    async def join(self, loaded_elsewhere: Mapping[str, str]) -> tuple[Players, list[str]]:
        """What loads of this process bring, and which players another process is still loading.

        A write would have dropped the lease. So where the lease was still there when we looked, no write has been
        announced since it was given, and what its owner loads, or has loaded and not put yet, is as new as what we
        would load.
        """
        players: Players = {}
        others: list[str] = []
        for player_id, token in loaded_elsewhere.items():
            loaded = self._under_way.get(token)
            if loaded is None:
                others.append(player_id)
                continue
            if not loaded.done():
                await asyncio.wait([loaded], timeout=deadline.remaining(LEASE_MS / 1000))
            if not loaded.done() or loaded.cancelled():
                others.append(player_id)
            elif player := loaded.result().get(player_id):
                players[player_id] = player.payload
        return players, others

    def give_up(self, player_ids: Sequence[str], token: str) -> None:
        """Ends the leases that the token has or may have got, so that nobody waits until they lapse."""
        self._fill_soon([Fill(player_id, token, None) for player_id in player_ids])

    def refresh(self, player_ids: Sequence[str], token: str, load: Load) -> None:
        """Loads entries anew that are about to end, while their readers go on with what they have."""

        async def refresh() -> None:
            deadline.start(REFRESH_BOUND_S)
            try:
                players = await load(player_ids)
                await self._outage.ask(self._scripts.fill, [Fill(i, token, players.get(i)) for i in player_ids])
            except SavepointError as error:
                _log.debug("an early refresh failed: %s", error.message)

        background.once(refresh(), "player-cache-refresh", self._tasks)

    async def filled(self) -> None:
        """Returns when the cache has what was loaded until now, or cannot take it; after FILL_BOUND_S at the latest."""
        if self._filler:
            await asyncio.wait([self._filler], timeout=FILL_BOUND_S)

    async def close(self) -> None:
        """Puts what is loaded, so that readers of other processes need not wait for our leases to end; then ends what
        still runs."""
        await self.filled()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill_soon(self, fills: Sequence[Fill]) -> None:
        self._unfilled.extend(fills)
        if self._filler is None:
            self._filler = background.once(self._fill(), "player-cache-fill", self._tasks)

    async def _fill(self) -> None:
        """Puts what was loaded until nothing is left."""
        try:
            while fills := self._unfilled:
                self._unfilled = []
                # This task was started by one of the readers, and has inherited its deadline.
                deadline.start(FILL_BOUND_S)
                try:
                    await self._outage.ask(self._scripts.fill, fills)
                finally:
                    for token in {fill.token for fill in fills}:
                        self._under_way.pop(token, None)
        finally:
            self._filler = None


def _payloads(players: Mapping[str, Loaded]) -> Players:
    return {player_id: player.payload for player_id, player in players.items()}
