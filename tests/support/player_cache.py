"""Readers and writers of the player cache, who take their steps in whatever order a test says.

A reader takes three steps: look (a miss, a lease), load, fill. A writer takes three: announce, commit, end. Readers and
writers are caches of their own, as in processes of their own.
"""

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from savepoint.profile.v1 import profile_pb2

from services.profile.messages import encoded
from services.profile.player import Player
from services.profile.player_cache.cache import Loaded, PlayerCache, entry_key
from services.profile.players import sql_store
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.queries import Query
from shared.stores.valkey import Script, Valkey
from shared.telemetry.metrics import Metrics

STEP_BOUND_S = 5
# Plays mostly wait.
_AT_ONCE = 12

MAKE = Query(
    *("make", "insert", "players"),
    "INSERT INTO players (username, email) VALUES (%(username)s, %(email)s) RETURNING player_id",
)
EVICT = Script("evict", "return redis.call('DEL', KEYS[1])", "", writes=True)
FIELDS = Script("fields", "return redis.call('HKEYS', KEYS[1])", "", writes=False)
DROP = Script("drop", "return redis.call('HDEL', KEYS[1], unpack(ARGV))", "", writes=True)

QUERIES = sql_store.QUERIES.of(POSTGRESQL)


class Loads:
    """Reads players from the database and counts how often."""

    def __init__(self, database: Postgres, takes_s: float = 0) -> None:
        self.count = 0
        self._database = database
        self._takes_s = takes_s

    async def __call__(self, ids: Sequence[str]) -> Mapping[str, Loaded]:
        """The players by id; unknown ones are not in it."""
        self.count += 1
        await asyncio.sleep(self._takes_s)
        rows = await self._database.fetch_rows(QUERIES["batch_get_players"], {"player_ids": list(ids)})
        return {row[0]: Loaded(encoded(row), row[-1]) for row in rows}


class Actor(ABC):
    """Something that does its work in steps, each when it is told to. It may be through before its last step."""

    def __init__(self) -> None:
        self._go = asyncio.Semaphore(0)
        self._paused = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def work(self) -> None:
        """The whole of it, with `await self.pause()` between two steps."""

    async def pause(self) -> None:
        self._paused.set()
        await self._go.acquire()

    async def step(self) -> None:
        """Runs to the next pause or to the end."""
        self._paused.clear()
        if self._task is None:
            self._task = asyncio.create_task(self.work())
        else:
            self._go.release()
        paused = asyncio.create_task(self._paused.wait())
        done, _ = await asyncio.wait([self._task, paused], timeout=STEP_BOUND_S, return_when=asyncio.FIRST_COMPLETED)
        paused.cancel()
        assert done, "a step hangs"
        if self._task in done:
            self._task.result()

    async def die(self) -> None:
        """Stops where it is, as a killed process would: nothing more is said to the cache."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class Scene:
    """One player, in the database and in nobody's cache yet."""

    def __init__(self, database: Postgres, server: Valkey, player_id: uuid.UUID) -> None:
        self.database = database
        self.server = server
        self.player_id = player_id
        self.id_text = str(player_id)
        self._key = entry_key(player_id)

    def cache(self) -> PlayerCache:
        # Where there may be failovers, none has happened.
        return PlayerCache(self.server, 3600, Metrics().cache("players"), encoded, settle_s=0)

    async def evict(self) -> None:
        """The entry goes, with all announcements and leases."""
        await self.server.run(EVICT, [self._key])

    async def announcements(self) -> list[bytes]:
        """The fields of the writers that are at work."""
        fields: list[bytes] = await self.server.run(FIELDS, [self._key])
        return [field for field in fields if field.startswith(b"w:")]

    async def lapse(self, announcements: Sequence[bytes]) -> None:
        """A minute passes."""
        await self.server.run(DROP, [self._key], announcements)

    async def load(self, ids: Sequence[str]) -> Mapping[str, Loaded]:
        rows = await self.database.fetch_rows(QUERIES["batch_get_players"], {"player_ids": list(ids)})
        return {row[0]: Loaded(encoded(row), row[-1]) for row in rows}


class Reader(Actor):
    def __init__(self, scene: Scene, cache: PlayerCache | None = None) -> None:
        super().__init__()
        self.scene = scene
        self.cache = cache or scene.cache()

    async def work(self) -> None:
        async def load(ids: Sequence[str]) -> Mapping[str, Loaded]:
            await self.pause()
            players = await self.scene.load(ids)
            await self.pause()
            return players

        await self.cache.get_one(self.scene.id_text, load)
        await self.cache.filled()


class Writer(Actor):
    def __init__(self, scene: Scene, cache: PlayerCache | None = None) -> None:
        super().__init__()
        self.scene = scene
        self.cache = cache or scene.cache()

    async def work(self) -> None:
        async with self.cache.writing([self.scene.player_id]) as written:
            await self.pause()
            params = {"player_id": self.scene.player_id}
            [player] = await self.scene.database.fetch(QUERIES["record_login"], params, Player, repeatable=False)
            await self.pause()
            written(player.player_id, player.version, player)


@dataclass(frozen=True)
class Stage:
    """Where the plays are played: each with a player of its own, several at a time."""

    database: Postgres
    server: Valkey

    async def scene(self) -> Scene:
        name = uuid.uuid4().hex
        [(player_id,)] = await self.database.fetch_rows(MAKE, {"username": name, "email": f"{name}@example.com"})
        return Scene(self.database, self.server, player_id)

    async def play_all(
        self, orders: Iterable[Sequence[str]], cast: Callable[[Scene], dict[str, Actor]], *, cached: bool = False
    ) -> None:
        """Plays every order, with the actors that `cast` finds for it."""
        waiting = iter(orders)

        async def troupe() -> None:
            for order in waiting:
                scene = await self.scene()
                await play(scene, cast(scene), order, cached=cached)

        async with asyncio.TaskGroup() as troupes:
            for _ in range(_AT_ONCE):
                troupes.create_task(troupe())


def reader_and_writer(scene: Scene) -> dict[str, Actor]:
    return {"reader": Reader(scene), "writer": Writer(scene)}


def reader_and_two_writers(scene: Scene) -> dict[str, Actor]:
    return {"reader": Reader(scene), "first": Writer(scene), "second": Writer(scene)}


def orders(**steps: int) -> Iterator[tuple[str, ...]]:
    """Every order of the actors' steps that keeps each actor's own order."""
    if not any(steps.values()):
        yield ()
    for name, left in steps.items():
        if left:
            for rest in orders(**{**steps, name: left - 1}):
                yield (name, *rest)


def orders_with_two_writers() -> Iterator[tuple[str, ...]]:
    """Likewise for a reader and two writers, of which, being alike, the first one always begins."""
    return (order for order in orders(reader=3, first=3, second=3) if order.index("first") < order.index("second"))


async def play(scene: Scene, actors: dict[str, Actor], order: Sequence[str], *, cached: bool) -> None:
    await scene.evict()
    if cached:
        cache = scene.cache()
        await cache.get_one(scene.id_text, scene.load)
        await cache.filled()
    for name in order:
        await actors[name].step()
    for actor in actors.values():
        await actor.die()
    await look_twice(scene, order)
    if announced := await scene.announcements():
        # When the announcement of a dead writer has lapsed.
        await scene.lapse(announced)
        await look_twice(scene, order)


async def look_twice(scene: Scene, order: Sequence[str]) -> None:
    """The first look may load and fill, the second may find what that left."""
    truth = (await scene.load([scene.id_text]))[scene.id_text].payload
    onlooker = scene.cache()
    for look in ("first", "second"):
        seen = await onlooker.get_one(scene.id_text, scene.load)
        assert await onlooker.get([scene.id_text], scene.load) == {scene.id_text: seen}
        await onlooker.filled()
        assert seen == truth, f"the {look} look after {order} saw {version(seen)}, not {version(truth)}"


def version(payload: bytes | None) -> str:
    return profile_pb2.Player.FromString(payload or b"").etag
