"""Writing beside the cache: a write is announced before the statement that commits, and ended after it.

From the announcement on, nobody can fill the entry, and readers load from the database; so a slow reader cannot put
back what a writer has just replaced. A writer that dies between its commit and its end leaves nothing wrong behind,
only an entry that is not cached until its announcement lapses.

Nobody waits for the end of an announcement: until the cache has it, readers load from the database, which is right.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from services.profile.player import Player
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import NOTHING_WRITTEN, UNKNOWN_VERSION, CacheScripts
from shared.contract.errors import Refused
from shared.work import background, deadline

# Says what was written: id, version, and the player if the writer has all of it.
Written = Callable[[UUID, int, Player | None], None]
# Likewise for all that a writer wrote.
Ends = dict[UUID, tuple[int, Player | None]]

END_BOUND_S = 1.0


class Writes:
    """The writers of one process."""

    def __init__(self, scripts: CacheScripts, outage: Outage) -> None:
        self._scripts = scripts
        self._outage = outage
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Ends the announcements that are being ended; otherwise their players would not be cached for a while."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=END_BOUND_S)
        tasks = list(self._ending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def writing(self, player_ids: Sequence[UUID]) -> AsyncIterator[Written]:
        """Surrounds a write; the body says what it wrote."""
        token = self._scripts.new_token()
        announced = await self._announce(player_ids, token)
        ends: Ends = {}

        def written(player_id: UUID, version: int, player: Player | None) -> None:
            ends[player_id] = (version, player)

        try:
            yield written
            if announced:
                self._end_soon(player_ids, token, ends, UNKNOWN_VERSION)
        except Refused:
            if announced:
                self._end_soon(player_ids, token, {}, NOTHING_WRITTEN)
            raise
        finally:
            # After any other failure nobody knows whether the write took place: the announcement stays until it
            # expires. A write that could not be announced was missed by the cache, even if the cache came back during
            # the write.
            if not announced:
                self._outage.missed_write(player_ids)

    def _end_soon(self, player_ids: Sequence[UUID], token: str, ends: Ends, otherwise: str) -> None:
        async def end() -> None:
            # The task has inherited the deadline of the call that has written.
            deadline.start(END_BOUND_S)
            await self._outage.ask(self._scripts.end_write, player_ids, token, ends, otherwise)

        background.once(end(), "player-cache-write-end", self._ending)

    async def _announce(self, player_ids: Sequence[UUID], token: str) -> bool:
        if await self._outage.ask(self._begin, player_ids, token):
            return True
        self._outage.missed_write(player_ids)
        return False

    async def _begin(self, player_ids: Sequence[UUID], token: str) -> bool:
        await self._scripts.begin_write(player_ids, token)
        return True
