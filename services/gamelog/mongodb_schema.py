"""What the game log's MongoDB must have: indexes, and the document that numbers its writes. `migrate` makes it, and
leaves a version, by which the service knows that it is there.

    events      a document for each event: services/gamelog/events/mongodb_store.py
    positions   {_id: "log", …}: services/gamelog/events/mongodb_positions.py
    schema      {_id: "gamelog", version}
"""

import asyncio

from shared.stores.errors import StoreUnfit
from shared.stores.mongodb import Document, Mongo

# Higher by one whenever `migrate` does more than before.
VERSION = 1
EVENTS, POSITIONS, SCHEMA = "events", "positions", "schema"
RETENTION_INDEX = "events_retention"
_ID = "gamelog"
_POLL_S = 0.5

# Not partial ones, although some events have no player or match: not every server sees that a query for a player needs
# only events that have one.
_INDEXES = {
    "events_time": ("time", "_id"),
    "events_player": ("player_id", "time", "_id"),
    "events_match": ("match_id", "time", "_id"),
    "events_type": ("type", "time", "_id"),
    "events_position": ("position",),
}


async def migrate(database: Mongo, kept_s: int) -> str:
    """Brings the database to VERSION; it may be repeated, and run by several at once. `kept_s` is how long events are
    kept, in seconds. Returns what was done. Raises StoreUnfit for an index of ours that is not ours."""
    before = await _version(database)
    for name, keys in _INDEXES.items():
        await database.make_index(EVENTS, [(key, 1) for key in keys], name)
    await _make_retention(database, kept_s)
    await database.insert_new(POSITIONS, [{"_id": "log", "next": 0, "open": []}])
    await database.change_one(SCHEMA, {"_id": _ID}, {"$max": {"version": VERSION}}, repeatable=True, make=True)
    return "" if before == VERSION else f"the indexes of version {VERSION} are there"


async def keep_for(database: Mongo, kept_s: int) -> None:
    """Sets how many seconds after their time events go. Raises StoreUnfit where the user may not."""
    if await database.index_option(EVENTS, RETENTION_INDEX, "expireAfterSeconds") == kept_s:
        # To set it again would take a right that nothing else here takes.
        return
    await database.command(
        "collMod", EVENTS, index={"name": RETENTION_INDEX, "expireAfterSeconds": kept_s}, writeConcern={"w": "majority"}
    )


async def until_fit(database: Mongo, within_s: float) -> None:
    """Returns when the database has VERSION. Raises StoreUnfit when it has not after `within_s`, and at once when it
    has a higher one."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while (version := await _version(database)) < VERSION:
        if loop.time() > until:
            raise StoreUnfit(f"{_older(version)} (waited {within_s:.0f} s at the start)")
        await asyncio.sleep(_POLL_S)
    if version > VERSION:
        raise StoreUnfit(
            f"this version of the gamelog service is older than the database, whose indexes have version {version}: "
            "replace it by the version that brought them"
        )


def check(schema: Document) -> None:
    """Raises StoreUnfit where a service that runs cannot go on with this document of `schema`: the database may have
    been replaced by another one. A newer version is no failure, because an upgrade migrates first."""
    version = int(schema.get("version", 0))
    if version < VERSION:
        raise StoreUnfit(_older(version))


def _older(version: int) -> str:
    return (
        f"the database has version {version} of its indexes, and {VERSION} is needed; bring it to this version with: "
        "python -m services.gamelog migrate"
    )


async def _make_retention(database: Mongo, kept_s: int) -> None:
    try:
        await database.make_index(EVENTS, [("at", 1)], RETENTION_INDEX, expireAfterSeconds=kept_s)
    except StoreUnfit:
        # It is there, with another time.
        await keep_for(database, kept_s)


async def _version(database: Mongo) -> int:
    found = await database.find(SCHEMA, {"_id": _ID}, limit=1)
    return int(found[0]["version"]) if found else 0
