"""A failover of the player cache loses the last of what it was told, and nobody reads an old player for it.

Each process is a connection of its own, as a writer and its readers are in the field.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from services.profile.player_cache.entry import entry_key
from shared.stores.postgres import Postgres
from shared.stores.valkey.slots import slot_of
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.support import valkeys
from tests.support.player_cache import Reader, Scene, Stage, Writer
from tests.support.valkeys import Group

# In the field a minute, which is longer than any write takes.
SETTLE_S = 2.0


class Field:
    """A replicated cache, a player, and processes that come and go."""

    def __init__(self, group: Group, scene: Scene, telemetry: StoreTelemetry, stack: AsyncExitStack) -> None:
        self.group = group
        self.scene = scene
        self.primary = ""
        self.replica = ""
        self._telemetry = telemetry
        self._stack = stack

    async def process(self) -> PlayerCache:
        """A process that has just begun."""
        connecting = self.group.connect(self._telemetry, tells_reign=True)
        server = await self._stack.enter_async_context(connecting)
        return PlayerCache(server, 3600, Metrics().cache("players"), encoded, SETTLE_S)

    async def find_out(self) -> None:
        """Which servers have the player."""
        self.primary = await self.group.owner(entry_key(self.scene.player_id))
        self.replica = await self.group.replica_of(self.primary)

    async def reads_the_truth(self, *processes: PlayerCache) -> None:
        """Fails if one of them, or a new one, reads anything but what the database has, now or when all is settled."""
        newcomer = await self.process()
        for pause_s in (0, 0, SETTLE_S + 0.2, 0):
            await asyncio.sleep(pause_s)
            for cache in (*processes, newcomer):
                truth = (await self.scene.load([self.scene.id_text]))[self.scene.id_text].payload
                assert await cache.get_one(self.scene.id_text, self.scene.load) == truth
                await cache.filled()


@pytest.fixture(params=["replica", "cluster"])
async def field(
    request: pytest.FixtureRequest, database: Postgres, store_telemetry: StoreTelemetry, tmp_path: Path
) -> AsyncIterator[Field]:
    async with _field(request.param, database, store_telemetry, tmp_path) as made:
        yield made


@asynccontextmanager
async def _field(mode: str, database: Postgres, telemetry: StoreTelemetry, directory: Path) -> AsyncIterator[Field]:
    async with (
        valkeys.group(directory, mode) as group,
        group.connect(telemetry, tells_reign=True) as server,
        AsyncExitStack() as stack,
    ):
        made = Field(group, await Stage(database, server).scene(), telemetry, stack)
        await made.find_out()
        yield made


async def settled(field: Field) -> tuple[PlayerCache, PlayerCache]:
    """Two processes that have used the cache for a while."""
    processes = await field.process(), await field.process()
    for cache in processes:
        await cache.get_one(field.scene.id_text, field.scene.load)
    await asyncio.sleep(SETTLE_S + 0.1)
    return processes


async def write(field: Field, cache: PlayerCache) -> None:
    writer = Writer(field.scene, cache)
    for _ in range(3):
        await writer.step()
    await cache.close()


@pytest.mark.thorough
async def test_a_player_whose_write_the_failover_has_forgotten_is_not_read_as_before(field: Field) -> None:
    ours, theirs = await settled(field)
    await theirs.get_one(field.scene.id_text, field.scene.load)
    await theirs.filled()

    async def nothing(_: object) -> dict[str, object]:
        raise AssertionError("the player is not cached")

    assert await ours.get_one(field.scene.id_text, nothing)  # type: ignore[arg-type] # never returns
    await field.group.replica_of(field.primary)
    await field.group.cut(field.primary, field.replica)
    await write(field, ours)
    await field.group.fail_over(field.primary, field.replica)
    await field.reads_the_truth(theirs, ours)


@pytest.mark.thorough
async def test_a_load_that_began_before_a_forgotten_write_is_not_put_after_the_failover(field: Field) -> None:
    ours, theirs = await settled(field)
    reader = Reader(field.scene, theirs)
    await reader.step()  # looks, and gets the lease
    await reader.step()  # loads the old row
    await field.group.replica_of(field.primary)
    await field.group.cut(field.primary, field.replica)
    await write(field, ours)
    await field.group.fail_over(field.primary, field.replica)
    await reader.step()  # fills
    await field.reads_the_truth(theirs, ours)


@pytest.mark.thorough
async def test_a_writer_that_is_forgotten_commits_after_the_failover_and_dies(field: Field) -> None:
    ours, theirs = await settled(field)
    await field.group.cut(field.primary, field.replica)
    writer = Writer(field.scene, ours)
    await writer.step()  # announces
    await field.group.fail_over(field.primary, field.replica)
    for _ in range(2):
        assert await theirs.get_one(field.scene.id_text, field.scene.load)
        await theirs.filled()
    await writer.step()  # commits
    await writer.die()
    await field.reads_the_truth(theirs)


async def test_a_player_whose_slot_is_back_where_it_was_is_not_read_as_before(
    database: Postgres, store_telemetry: StoreTelemetry, tmp_path: Path
) -> None:
    async with _field("cluster", database, store_telemetry, tmp_path) as field:
        ours, theirs = await settled(field)
        await theirs.get_one(field.scene.id_text, field.scene.load)
        await theirs.filled()
        slot = slot_of(entry_key(field.scene.player_id))
        target = next(name for name in field.group.names[:3] if name != field.primary)
        await field.group.move_whole(slot, field.primary, target)
        await write(field, ours)
        await field.group.move_whole(slot, target, field.primary)
        # It has not heard of any of this.
        await field.reads_the_truth(theirs)


async def test_a_writer_that_has_announced_itself_where_its_player_was_commits_and_dies(
    database: Postgres, store_telemetry: StoreTelemetry, tmp_path: Path
) -> None:
    async with _field("cluster", database, store_telemetry, tmp_path) as field:
        ours, theirs = await settled(field)
        writer = Writer(field.scene, ours)
        await writer.step()  # announces
        target = next(name for name in field.group.names[:3] if name != field.primary)
        await field.group.move_whole(slot_of(entry_key(field.scene.player_id)), field.primary, target)
        for _ in range(2):
            assert await theirs.get_one(field.scene.id_text, field.scene.load)
            await theirs.filled()
        await writer.step()  # commits
        await writer.die()
        await field.reads_the_truth(theirs)
