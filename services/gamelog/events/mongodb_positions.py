"""The order in which events were stored in MongoDB, such that a reader who follows it misses none.

Whatever marks events get when they are made, an event with a lower mark may become visible after one with a higher
mark: then a reader who has gone past it never sees it. So a write takes a number before it begins, and gives it back
once its events are stored. Readers read up to the lowest number that is out, and no further. All of it is one document:

    {_id: "log", next: the number taken last, open: [{n: a number that is out, at: when it was taken, in ms}, …]}

A writer that dies keeps its number. After ABANDONED_S, by the server's clock, the number counts as given back, and
readers go on. If its writer is alive after all, it finds that its number is gone when it gives it back: it then moves
its events to a new number, before anybody is told that they are stored. What remains: a writer dies while its write is
on its way, and the server carries that out only ABANDONED_S later. Nobody was told that these events are stored, and
readers may miss them.
"""

import asyncio
from typing import Any

from services.gamelog.mongodb_schema import EVENTS, POSITIONS
from shared.contract.errors import StoreUnavailable
from shared.stores.mongodb import STORE, Mongo, Session
from shared.work.bounds import BATCH_BOUND_S

# Much longer than any write takes, which its batch gives BATCH_BOUND_S.
ABANDONED_S = 3 * BATCH_BOUND_S
# An event's position is its write's number and its place in that write in one.
PLACES = 2**20
# How long the lowest number has to be the same before anybody asks whether it was abandoned.
_SUSPECT_AFTER_S = 5.0

_LOG = {"_id": "log"}
_NOW_MS = {"$toLong": "$$NOW"}
_KEPT = {
    "$filter": {
        "input": "$open",
        "as": "one",
        "cond": {"$gt": ["$$one.at", {"$subtract": [_NOW_MS, int(ABANDONED_S * 1000)]}]},
    }
}
_NEXT = {"$add": ["$next", 1]}
_TAKE = [{"$set": {"next": _NEXT, "open": {"$concatArrays": [_KEPT, [{"n": _NEXT, "at": _NOW_MS}]]}}}]
_FORGET_ABANDONED = [{"$set": {"open": _KEPT}}]


class Positions:
    """The numbers of one log."""

    def __init__(self, database: Mongo) -> None:
        self._database = database
        # The lowest number that is out, and since when this process has seen it so.
        self._lowest: tuple[int, float] = (0, 0.0)

    async def take(self) -> int:
        """A number for a write that is about to begin."""
        # Where it is taken twice because an answer was lost, one of the two is abandoned.
        return int((await self._database.change_one(POSITIONS, _LOG, _TAKE, repeatable=True))["next"])

    async def give_back(self, number: int) -> None:
        """Its events are stored: readers may go past them. If that was too late, they get a new number first."""
        while not await self._returned(number):
            later = await self.take()
            moved = [{"$set": {"position": {"$add": ["$position", (later - number) * PLACES]}}}]
            await self._database.update(EVENTS, {"position": between(number - 1, number)}, moved)
            number = later

    async def end(self, session: Session | None = None) -> int:
        """The highest number up to which all writes have ended."""
        found = await self._database.find(POSITIONS, _LOG, limit=1, session=session)
        if not found:
            # Another database than before. What says so to the operator is the health check.
            raise StoreUnavailable(STORE)
        log = found[0]
        lowest = _lowest(log)
        if log["open"] and self._suspects(lowest):
            log = await self._database.change_one(POSITIONS, _LOG, _FORGET_ABANDONED, repeatable=True, session=session)
            lowest = _lowest(log)
        return lowest - 1

    async def _returned(self, number: int) -> bool:
        """Gives a number back. Returns whether it was still out."""
        is_out: dict[str, Any] = {**_LOG, "open.n": number}
        return bool(await self._database.update(POSITIONS, is_out, {"$pull": {"open": {"n": number}}}))

    def _suspects(self, lowest: int) -> bool:
        """Whether the lowest number has been out for so long that its writer may be dead."""
        now = asyncio.get_running_loop().time()
        number, since = self._lowest
        if number != lowest:
            self._lowest = (lowest, now)
            return False
        return now - since > _SUSPECT_AFTER_S


def between(after: int, last: int) -> dict[str, int]:
    """The positions of the writes after one number, and up to another."""
    return {"$gte": (after + 1) * PLACES, "$lt": (last + 1) * PLACES}


def _lowest(log: dict[str, Any]) -> int:
    """The lowest number that is out, else the one that is taken next."""
    return min((int(one["n"]) for one in log["open"]), default=int(log["next"]) + 1)
