"""Every order in which readers' misses and writers' updates can interleave, each played step by step against the real
cache and PostgreSQL: whoever reads afterwards gets what the database holds."""

from services.profile.player import Player
from tests.support.player_cache import (
    QUERIES,
    Actor,
    Reader,
    Scene,
    Stage,
    Writer,
    look_twice,
    orders,
    orders_with_two_writers,
    reader_and_two_writers,
    reader_and_writer,
)


def test_the_orders_are_all_there() -> None:
    assert len(list(orders(reader=3, writer=3))) == 20
    assert len(list(orders_with_two_writers())) == 1680 / 2


async def test_a_reader_and_a_writer(stage: Stage) -> None:
    await stage.play_all(orders(reader=3, writer=3), reader_and_writer)


async def test_a_reader_and_a_writer_in_one_process(stage: Stage) -> None:
    def cast(scene: Scene) -> dict[str, Actor]:
        cache = scene.cache()
        return {"reader": Reader(scene, cache), "writer": Writer(scene, cache)}

    await stage.play_all(orders(reader=3, writer=3), cast)


async def test_a_reader_and_a_writer_that_dies_after_its_commit(stage: Stage) -> None:
    await stage.play_all(orders(reader=3, writer=2), reader_and_writer)


async def test_a_reader_and_a_writer_over_a_cached_player(stage: Stage) -> None:
    await stage.play_all(orders(reader=3, writer=3), reader_and_writer, cached=True)


async def test_a_reader_and_two_writers(stage: Stage) -> None:
    await stage.play_all(orders_with_two_writers(), reader_and_two_writers)


async def test_a_reader_and_two_writers_of_which_one_dies_after_its_commit(stage: Stage) -> None:
    await stage.play_all(orders(reader=3, first=3, second=2), reader_and_two_writers)


class Forgetful(Writer):
    """Commits, and does not learn under which version: its answer was lost, and a repeat found it done."""

    async def work(self) -> None:
        async with self.cache.writing([self.scene.player_id]):
            await self.pause()
            params = {"player_id": self.scene.player_id}
            await self.scene.database.fetch(QUERIES["record_login"], params, Player, repeatable=False)
            await self.pause()


async def test_a_reader_and_two_writers_of_which_one_does_not_know_what_it_wrote(stage: Stage) -> None:
    def cast(scene: Scene) -> dict[str, Actor]:
        return {**reader_and_two_writers(scene), "second": Forgetful(scene)}

    await stage.play_all(orders(reader=2, first=3, second=3), cast)


async def test_a_reader_whose_lease_was_evicted_fills_nothing(stage: Stage) -> None:
    scene = await stage.scene()
    reader, writer = Reader(scene), Writer(scene)
    await scene.evict()
    await reader.step()  # looks
    await reader.step()  # loads the old row
    for _ in range(3):
        await writer.step()
    await scene.evict()
    await reader.step()  # fills
    await look_twice(scene, ["eviction"])


async def test_a_writer_whose_announcement_has_lapsed_drops_what_was_filled_since(stage: Stage) -> None:
    scene = await stage.scene()
    writer = Writer(scene)
    await scene.evict()
    await writer.step()  # announces
    await scene.evict()
    await look_twice(scene, ["a lapse"])  # fills
    await writer.step()  # commits
    await writer.step()  # ends
    await look_twice(scene, ["a lapse", "one end"])


async def test_a_writer_whose_announcement_was_evicted_puts_nothing(stage: Stage) -> None:
    """The announcement of another one, whose row is newer, may have been evicted with it."""
    scene = await stage.scene()
    first, second = Writer(scene), Writer(scene)
    await scene.evict()
    for writer in (first, second):
        await writer.step()  # announces
    for writer in (first, second):
        await writer.step()  # commits
    await scene.evict()
    await first.step()  # ends
    await look_twice(scene, ["eviction", "one end"])
    await second.die()
    await look_twice(scene, ["eviction", "one end", "one death"])
