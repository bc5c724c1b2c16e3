"""Writers of the game log in MongoDB that seem to have died (services/gamelog/events/mongodb_positions.py)."""

from typing import Any

from pymongo import AsyncMongoClient

from services.gamelog.events.mongodb_positions import ABANDONED_S


async def grow_old(url: str, number: int | None = None) -> None:
    """Lets a write, or all that are under way, seem to have begun so long ago that nobody waits for them any more."""
    before = int(ABANDONED_S * 1000) + 1000
    # Straight to the server: a client that watches a replica set leaves sockets behind when it is closed early.
    async with AsyncMongoClient[dict[str, Any]](url.partition("?")[0], directConnection=True) as client:
        positions = client.get_default_database()["positions"]
        for one in (await positions.find_one({"_id": "log"}) or {"open": []})["open"]:
            if number in (None, one["n"]):
                await positions.update_one({"_id": "log", "open.n": one["n"]}, {"$inc": {"open.$.at": -before}})
