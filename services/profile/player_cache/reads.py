"""Reading through the cache: a reader takes the player that it finds; one that gets the lease loads it; the others
wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.profile.player_cache.entry import Encode, Load, Players, readable
from services.profile.player_cache.loads import Loads
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import CacheScripts, Look
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
    leased: list[str] = field(default_factory=list)
    aging: list[str] = field(default_factory=list)
    bypassed: list[str] = field(default_factory=list)
    loaded_elsewhere: dict[str, str] = field(default_factory=dict)


class Reads:
    """The readers of one process."""

    def __init__(
        self, scripts: CacheScripts, outage: Outage, loads: Loads, encode: Encode, metrics: CacheMetrics
    ) -> None:
        self._scripts = scripts
        self._outage = outage
        self._loads = loads
        self._encode = encode
        self._metrics = metrics

    async def get_one(self, player_id: str, load: Load) -> bytes | None:
        """The player, or None where there is no such player; `load` reads the player from the database where the cache
        does not have it."""
        token = self._scripts.new_token()
        try:
            look = await self._outage.ask(self._scripts.read_one, player_id, token)
        except asyncio.CancelledError:
            self._loads.give_up([player_id], token)
            raise
        if type(look) is bytes and (player := readable(look, self._encode)):
            self._metrics.count(1, 0)
            return player
        looks = None if look is None else [look]
        return (await self._get([player_id], token, looks, load)).get(player_id)

    async def get(self, player_ids: Sequence[str], load: Load) -> Players:
        """Likewise for many: the players that exist, by id."""
        wanted = list(dict.fromkeys(player_ids))
        players: Players = {}
        for player_id, payload in zip(wanted, await self._outage.ask(self._scripts.peek, wanted) or (), strict=False):
            if payload and (player := readable(payload, self._encode)):
                players[player_id] = player
        self._metrics.count(len(players), 0)
        if len(players) == len(wanted):
            return players
        left = [player_id for player_id in wanted if player_id not in players]
        token = self._scripts.new_token()
        return players | await self._get(left, token, await self._look(left, token), load)

    async def _get(self, wanted: list[str], token: str, looks: Sequence[Look] | None, load: Load) -> Players:
        """Goes on from a first look under `token`."""
        found = self._found(wanted, looks)
        self._metrics.count(len(found.players), len(wanted) - len(found.players))
        players = found.players
        for attempt in range(MOST_WAITS):
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
            token = self._scripts.new_token()
            found = self._found(wanted, await self._look(wanted, token))
            players |= found.players
        return players | await self._loads.load([], wanted, token, load)

    async def _look(self, player_ids: Sequence[str], token: str) -> Sequence[Look] | None:
        try:
            return await self._outage.ask(self._scripts.read, player_ids, token)
        except asyncio.CancelledError:
            self._loads.give_up(player_ids, token)
            raise

    def _found(self, player_ids: Sequence[str], looks: Sequence[Look] | None) -> _Found:
        if looks is None:
            return _Found(bypassed=list(player_ids))
        found = _Found()
        for player_id, look in zip(player_ids, looks, strict=True):
            payload, state, token = (look, b"hit", b"") if isinstance(look, bytes) else look
            if state == b"wait":
                found.loaded_elsewhere[player_id] = token.decode()
            elif payload and (player := readable(payload, self._encode)):
                found.players[player_id] = player
                if state == b"lease":
                    found.aging.append(player_id)
            elif state == b"lease":
                found.leased.append(player_id)
            else:
                # A writer is at work; or the payload could not be read.
                found.bypassed.append(player_id)
        return found
