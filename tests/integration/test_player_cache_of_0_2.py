"""Replicas of release 0.2 beside ours on one cache: nobody reads an old player, whoever has put the entry.

0.2 keeps players as JSON, and has scripts of its own (tests/fixtures/release_0_2/player_cache) for the same entries.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from pydantic import ValidationError
from redis.asyncio import Redis
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.local.stores import Stores
from services.profile.messages import encoded, player_message
from services.profile.player import PLAYER, Player, values
from services.profile.player_cache.cache import entry_key
from services.profile.players import sql_store
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.valkey import Valkey, load_script
from tests.conftest import Players
from tests.support.player_cache import Actor, Reader, Scene, Stage, Writer, orders
from tests.support.service import Service

_LUA = Path(__file__).parent.parent / "fixtures" / "release_0_2" / "player_cache"
READ, FILL, BEGIN, END = (
    load_script(_LUA / f"{name}.lua", "players_cache", writes=True)
    for name in ("read", "fill", "begin_write", "end_write")
)

QUERIES = sql_store.QUERIES.of(POSTGRESQL)
LEASE_MS, EARLY_MS, LIFE_MS, WRITER_MS = 3_000, 180_000, 3_600_000, 60_000


@pytest.fixture
def stage(database: Postgres, cache_server: Valkey) -> Stage:
    return Stage(database, cache_server)


async def player_of(scene: Scene) -> Player:
    """The player as the database has it."""
    [row] = await scene.database.fetch_rows(QUERIES["batch_get_players"], {"player_ids": [scene.id_text]})
    return Player(scene.player_id, *row[1:])


class OldReader(Actor):
    """Looks, loads, fills, as 0.2 does."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    async def work(self) -> None:
        scene, token = self.scene, uuid.uuid4().hex
        key = (entry_key(scene.player_id),)
        _, state, _ = await scene.server.run(READ, key, (token, LEASE_MS, EARLY_MS))
        if state == b"hit":
            return
        await self.pause()
        player = await player_of(scene)
        await self.pause()
        if state == b"lease":
            await scene.server.run(FILL, key, (token, player.version, PLAYER.dump_json(player), LIFE_MS))


class OldWriter(Actor):
    """Announces, commits, ends, as 0.2 does."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    async def work(self) -> None:
        scene, token = self.scene, uuid.uuid4().hex
        key = (entry_key(scene.player_id),)
        await scene.server.run(BEGIN, key, (token, WRITER_MS))
        await self.pause()
        params = {"player_id": scene.player_id}
        [player] = await scene.database.fetch(QUERIES["record_login"], params, Player, repeatable=False)
        await self.pause()
        await scene.server.run(END, key, (token, player.version, PLAYER.dump_json(player), LIFE_MS, WRITER_MS))


async def test_our_reader_and_a_writer_of_0_2(stage: Stage) -> None:
    for cached in (False, True):
        await stage.play_all(
            orders(reader=3, writer=3),
            lambda scene: {"reader": Reader(scene), "writer": OldWriter(scene)},
            cached=cached,
        )


async def test_our_reader_and_a_writer_of_0_2_that_dies_after_its_commit(stage: Stage) -> None:
    await stage.play_all(
        orders(reader=3, writer=2), lambda scene: {"reader": Reader(scene), "writer": OldWriter(scene)}
    )


async def test_a_reader_of_0_2_and_our_writer(stage: Stage) -> None:
    for cached in (False, True):
        await stage.play_all(
            orders(reader=3, writer=3),
            lambda scene: {"reader": OldReader(scene), "writer": Writer(scene)},
            cached=cached,
        )


async def test_our_reader_with_a_writer_of_each_release(stage: Stage) -> None:
    def cast(scene: Scene) -> dict[str, Actor]:
        return {"reader": Reader(scene), "ours": Writer(scene), "theirs": OldWriter(scene)}

    await stage.play_all(orders(reader=2, ours=3, theirs=3), cast)


@pytest.fixture
async def client(stores: Stores) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.cache_url, protocol=3) as connected:
        yield connected


async def none_is_loaded(ids: Sequence[str]) -> Any:
    raise AssertionError(f"{ids} should be in the cache")


async def test_a_payload_of_0_2_is_read_without_the_database(stage: Stage, client: Redis) -> None:
    scene = await stage.scene()
    reader = OldReader(scene)
    for _ in range(3):
        await reader.step()
    assert (await client.hget(entry_key(scene.player_id), "p") or b"")[:1] == b"{"
    player = encoded(values(await player_of(scene)))
    assert await scene.cache().get_one(scene.id_text, none_is_loaded) == player
    assert await scene.cache().get([scene.id_text], none_is_loaded) == {scene.id_text: player}


async def test_our_payload_is_none_for_0_2(stage: Stage) -> None:
    # So it reads the player from the database.
    scene = await stage.scene()
    with pytest.raises(ValidationError):
        PLAYER.validate_json(encoded(values(await player_of(scene))))


@pytest.mark.parametrize("payload", [b"{}", b"[]", b"", b"\xff\xfe"])
async def test_a_payload_that_cannot_be_read_costs_a_look_into_the_database(
    stage: Stage, client: Redis, payload: bytes
) -> None:
    scene = await stage.scene()
    key = entry_key(scene.player_id)
    await client.hset(key, mapping={"v": "1", "p": payload})
    await client.pexpire(key, LIFE_MS)
    player = encoded(values(await player_of(scene)))
    assert await scene.cache().get_one(scene.id_text, scene.load) == player
    assert await scene.cache().get([scene.id_text], scene.load) == {scene.id_text: player}


async def test_the_service_answers_from_what_0_2_has_cached(client: Redis, profile: Service, players: Players) -> None:
    [player_id] = await players(1)
    stub, request = ProfileServiceStub(profile.channel), pb.GetPlayerRequest(player_id=player_id)
    # One that differs from what the database has, so that the answer shows where it comes from.
    kept = Player(
        uuid.UUID(player_id), "of 0.2", "a@example.com", 7, 1, 0, 0, 0, '{"a": [1]}', datetime.now(UTC), None, 1
    )
    key = entry_key(player_id)
    await client.hset(key, mapping={"v": "1", "p": PLAYER.dump_json(kept)})
    await client.pexpire(key, LIFE_MS)
    seen = (await stub.GetPlayer(request)).player
    assert seen == player_message(kept)
    assert MessageToDict(seen)["attributes"] == {"a": [1]}
    batch = await stub.BatchGetPlayers(pb.BatchGetPlayersRequest(player_ids=[player_id]))
    assert list(batch.players) == [seen]
    await client.delete(key)
