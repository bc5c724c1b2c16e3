"""Which players exist. Profile is asked once for each id; from then on the id is in our own table, and in memory.

A player who is deleted later stays known: what the player owned and played is history that outlives the profile.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shared.contract.errors import DeadlineReached, player_not_found
from shared.stores.postgres import Postgres, queries
from shared.work import background, deadline

QUERIES = queries.load(Path(__file__).with_name("queries.sql"))

LOOK_UP_BOUND_S = 10.0
# Some 20 MB. Beyond this number the ids seen first are dropped from memory; they cost a query when they come again.
MOST_REMEMBERED = 100_000

# Asks profile which of the ids exist.
Existing = Callable[[Sequence[UUID]], Awaitable[set[UUID]]]


@dataclass(frozen=True, slots=True)
class _Known:
    player_id: UUID


class KnownPlayers:
    """The players that this process and its database know of."""

    def __init__(self, database: Postgres, existing: Existing) -> None:
        self._database = database
        self._existing = existing
        # In the order in which they were seen.
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        # Look-ups under way: a call that needs the same id waits for the same look-up.
        self._looking: dict[UUID, asyncio.Task[set[UUID]]] = {}
        self._look_ups: set[asyncio.Task[set[UUID]]] = set()

    async def require(self, player_ids: Sequence[UUID]) -> None:
        """Raises NotFound for the first id that no player has; StoreUnavailable, DeadlineReached, and what asking
        profile raises (shared/rpc/sibling.py)."""
        unseen = [player_id for player_id in player_ids if player_id not in self._seen]
        if not unseen:
            return
        if first := [player_id for player_id in dict.fromkeys(unseen) if player_id not in self._looking]:
            self._start(first)
        tasks = {self._looking[player_id] for player_id in unseen}
        _, pending = await asyncio.wait(tasks, timeout=deadline.remaining(LOOK_UP_BOUND_S))
        if pending:
            raise DeadlineReached
        found = set[UUID]().union(*(task.result() for task in tasks))
        for player_id in unseen:
            if player_id not in found:
                raise player_not_found(player_id)

    async def close(self) -> None:
        """Ends what runs in the background."""
        tasks = list(self._look_ups)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, player_ids: Sequence[UUID]) -> None:
        task = background.once(self._look_up(player_ids), "known-players-look-up", self._look_ups)
        self._looking.update(dict.fromkeys(player_ids, task))

        def ended(_: asyncio.Task[set[UUID]]) -> None:
            for player_id in player_ids:
                del self._looking[player_id]

        task.add_done_callback(ended)

    async def _look_up(self, player_ids: Sequence[UUID]) -> set[UUID]:
        # Other calls may wait for this look-up too, so it has a deadline of its own instead of the first call's.
        deadline.start(LOOK_UP_BOUND_S)
        try:
            async with asyncio.timeout(LOOK_UP_BOUND_S):
                known = await self._in_table(player_ids)
                if strangers := [player_id for player_id in player_ids if player_id not in known]:
                    known |= await self._in_profile(strangers)
        except TimeoutError as error:
            raise DeadlineReached from error
        self._remember(known)
        return known

    async def _in_table(self, player_ids: Sequence[UUID]) -> set[UUID]:
        params = {"player_ids": list(player_ids)}
        rows = await self._database.fetch(QUERIES["batch_get_known_players"], params, _Known)
        return {row.player_id for row in rows}

    async def _in_profile(self, player_ids: Sequence[UUID]) -> set[UUID]:
        found = await self._existing(player_ids)
        if found:
            await self._database.execute(QUERIES["add_known_players"], {"player_ids": list(found)}, repeatable=True)
        return found

    def _remember(self, player_ids: set[UUID]) -> None:
        self._seen.update(dict.fromkeys(player_ids))
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
