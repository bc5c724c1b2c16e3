"""What the cache does while its server does not answer, and when the server answers again.

A cache that is down costs speed, never an error: it is left alone for a moment, and players come from the database.
Writes cannot be announced then, so entries from before the outage may be older than the database. Every player written
meanwhile is noted, and forgotten in the cache before it is used again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, TypeVarTuple
from uuid import UUID

from services.profile.player_cache.scripts import UNKNOWN_VERSION, CacheScripts
from shared.contract.errors import DeadlineReached, StoreUnavailable

_log = logging.getLogger("savepoint.cache")

# After a failure the server is not asked for this long.
PAUSE_S = 1.0
# Entries forgotten in one go.
FORGOTTEN_AT_ONCE = 200

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Outage:
    """Stands between the cache of one process and its server."""

    def __init__(self, scripts: CacheScripts) -> None:
        self._scripts = scripts
        self._paused_until = 0.0
        # Written while the cache could not be told, and not forgotten in it yet.
        self._missed_writes: set[UUID] = set()
        self._forgetting = asyncio.Lock()

    async def ask(self, work: Callable[[*Args], Awaitable[T]], *args: *Args) -> T | None:
        """What `work(*args)` returns, one of the scripts' methods; None when the cache cannot be used."""
        # While one caller makes the cache usable again, the others go without it.
        if self._pausing() or self._forgetting.locked():
            return None
        try:
            if self._missed_writes:
                async with self._forgetting:
                    await self._forget_missed_writes()
            return await work(*args)
        except StoreUnavailable:
            self._paused_until = time.monotonic() + PAUSE_S
            _log.warning(
                "the player cache does not answer; players are read from the database", extra={"pause_s": PAUSE_S}
            )
        except DeadlineReached:
            _log.debug("no time left for the player cache")
        return None

    def missed_write(self, player_ids: Iterable[UUID]) -> None:
        """Notes a write that the cache could not be told of."""
        self._missed_writes.update(player_ids)

    def _pausing(self) -> bool:
        # Nearly always there was no failure, and the clock need not be asked.
        if not self._paused_until:
            return False
        if time.monotonic() < self._paused_until:
            return True
        self._paused_until = 0.0
        return False

    async def _forget_missed_writes(self) -> None:
        while self._missed_writes:
            some = [self._missed_writes.pop() for _ in range(min(FORGOTTEN_AT_ONCE, len(self._missed_writes)))]
            token = self._scripts.new_token()
            try:
                # The announcement drops the entry. It is ended with an unknown version, so the next reader loads the
                # player.
                await self._scripts.begin_write(some, token)
                await self._scripts.end_write(some, token, {}, UNKNOWN_VERSION)
            except BaseException:
                self._missed_writes.update(some)
                raise
