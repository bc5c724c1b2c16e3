"""Which players exist. Profile is asked once for each id; from then on the id is in our own table, and in memory.

A player who is deleted later stays known: what the player owned and played is history that outlives the profile.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

from shared.contract.errors import player_not_found
from shared.stores.postgres import Postgres, queries
from shared.stores.postgres.arrays import array
from shared.work.batching import Batcher

QUERIES = queries.load(Path(__file__).with_name("queries.sql"))

# A look-up of several callers takes in no more of them when it has so many ids; profile takes no more in one call.
MOST_AT_ONCE = 1000
# Some 20 MB. Beyond this number the ids seen first are dropped from memory; they cost a query when they come again.
MOST_REMEMBERED = 100_000

# Asks profile which of the ids exist.
Existing = Callable[[Sequence[UUID]], Awaitable[set[UUID]]]


class KnownPlayers:
    """The players that this process and its database know of."""

    def __init__(self, database: Postgres, existing: Existing) -> None:
        self._database = database
        self._existing = existing
        self._queries = QUERIES.of(database.dialect)
        # In the order in which they were seen.
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        # Callers who ask at the same time share a statement, or a question to profile. They are two, so that a profile
        # that is slow or down holds up nobody whose players are in our table.
        self._table: Batcher[Sequence[UUID], set[UUID]] = Batcher(
            self._look_up, keys=lambda _: (), weight=len, most=MOST_AT_ONCE
        )
        self._profile: Batcher[Sequence[UUID], set[UUID]] = Batcher(
            self._ask, keys=lambda _: (), weight=len, most=MOST_AT_ONCE, at_once=1
        )

    async def require(self, player_ids: Sequence[UUID]) -> None:
        """Raises NotFound for the first id that no player has; StoreUnavailable, DeadlineReached, and what asking
        profile raises (shared/rpc/sibling.py)."""
        unseen = [player_id for player_id in player_ids if player_id not in self._seen]
        if not unseen:
            return
        known = await self._table.do(unseen)
        strangers = [player_id for player_id in unseen if player_id not in known]
        if not strangers:
            return
        existing = await self._profile.do(strangers)
        for player_id in strangers:
            if player_id not in existing:
                raise player_not_found(player_id)

    async def close(self) -> None:
        """Ends what runs in the background."""
        await self._table.close()
        await self._profile.close()

    async def _look_up(self, asked: Sequence[Sequence[UUID]]) -> list[set[UUID]]:
        """Which of the ids of all callers are in our table."""
        params = {"player_ids": array({player_id for of_one in asked for player_id in of_one})}
        rows = await self._database.fetch_rows(self._queries["batch_get_known_players"], params)
        known = {player_id for (player_id,) in rows}
        self._remember(known)
        return [known] * len(asked)

    async def _ask(self, asked: Sequence[Sequence[UUID]]) -> list[set[UUID]]:
        """Likewise of profile; from now on they are in our table."""
        wanted = {player_id for of_one in asked for player_id in of_one}
        # Those whom the question before this one was about are known by now.
        strangers = [player_id for player_id in wanted if player_id not in self._seen]
        existing: set[UUID] = set()
        for at in range(0, len(strangers), MOST_AT_ONCE):
            existing |= await self._existing(strangers[at : at + MOST_AT_ONCE])
        if existing:
            params = {"player_ids": array(existing)}
            await self._database.execute(self._queries["add_known_players"], params, repeatable=True)
            self._remember(existing)
        return [existing | wanted.difference(strangers)] * len(asked)

    def _remember(self, player_ids: set[UUID]) -> None:
        self._seen.update(dict.fromkeys(player_ids))
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
