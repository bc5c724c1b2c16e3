"""Writing beside the cache: a write is announced before the statement that commits, and ended after it.

From the announcement on, nobody can fill the entry, and readers load from the database; so a slow reader cannot put
back what a writer has just replaced. A writer that dies between its commit and its end leaves nothing wrong behind,
only an entry that is not cached until its announcement lapses.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from services.profile.player import Player
from services.profile.player_cache.outage import Outage
from services.profile.player_cache.scripts import NOTHING_WRITTEN, UNKNOWN_VERSION, CacheScripts
from shared.contract.errors import Refused

# Says what was written: id, version, and the player if the writer has all of it.
Written = Callable[[UUID, int, Player | None], None]


class Writes:
    """The writers of one process."""

    def __init__(self, scripts: CacheScripts, outage: Outage) -> None:
        self._scripts = scripts
        self._outage = outage

    @asynccontextmanager
    async def writing(self, player_ids: Sequence[UUID]) -> AsyncIterator[Written]:
        """Surrounds a write; the body says what it wrote."""
        token = self._scripts.new_token()
        announced = await self._announce(player_ids, token)
        ends: dict[UUID, tuple[int, Player | None]] = {}

        def written(player_id: UUID, version: int, player: Player | None) -> None:
            ends[player_id] = (version, player)

        try:
            yield written
            if announced:
                await self._outage.ask(self._scripts.end_write, player_ids, token, ends, UNKNOWN_VERSION)
        except Refused:
            if announced:
                await self._outage.ask(self._scripts.end_write, player_ids, token, {}, NOTHING_WRITTEN)
            raise
        finally:
            # After any other failure nobody knows whether the write took place: the announcement stays until it
            # expires. A write that could not be announced was missed by the cache, even if the cache came back during
            # the write.
            if not announced:
                self._outage.missed_write(player_ids)

    async def _announce(self, player_ids: Sequence[UUID], token: str) -> bool:
        if await self._outage.ask(self._begin, player_ids, token):
            return True
        self._outage.missed_write(player_ids)
        return False

    async def _begin(self, player_ids: Sequence[UUID], token: str) -> bool:
        await self._scripts.begin_write(player_ids, token)
        return True
