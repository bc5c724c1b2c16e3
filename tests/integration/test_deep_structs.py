"""How deep a Struct may nest: whatever is taken can be read by any client, and one row spoils no list."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from savepoint.inventory.v1 import inventory_pb2 as inventory_pb
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2 as boards_pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1 import match_pb2 as match_pb
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2 as profile_pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.local.stores import Stores
from tests.conftest import Players
from tests.support.errors import failure, failure_in
from tests.support.service import Service

DEEPEST = 16


def nested(levels: int, kind: str = "objects") -> Any:
    """A JSON object of so many levels, the outermost counted: objects in objects, or lists in lists within one."""
    value: Any = "core"
    for level in range(levels, 0, -1):
        value = {"a": value} if kind == "objects" or level == 1 else [value]
    return value


def struct(value: Any) -> Struct:
    made = Struct()
    made.update(value)
    return made


def new_id() -> str:
    return str(uuid.uuid4())


class World:
    """One player, and every way to store a Struct and to read it back."""

    def __init__(self, profile: Service, inventory: Service, leaderboard: Service, player_id: str) -> None:
        self.player_id = player_id
        self.players = ProfileServiceStub(profile.channel)
        self.items = InventoryServiceStub(inventory.channel)
        self.matches = MatchServiceStub(inventory.channel)
        self.boards = LeaderboardServiceStub(leaderboard.channel)
        self.board = f"deep-{uuid.uuid4().hex[:8]}"
        self.item = {"player_id": player_id, "item_type": "weapon", "item_id": "sword"}

    async def create_player(self, metadata: Struct) -> Any:
        name = uuid.uuid4().hex[:20]
        request = profile_pb.CreatePlayerRequest(username=name, email=f"{name}@example.com", attributes=metadata)
        return (await self.players.CreatePlayer(request)).player.attributes

    async def update_player(self, metadata: Struct) -> Any:
        player = profile_pb.Player(player_id=self.player_id, attributes=metadata)
        request = profile_pb.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=["attributes"]))
        return (await self.players.UpdatePlayer(request)).player.attributes

    async def grant(self, metadata: Struct) -> Any:
        request = inventory_pb.GrantItemRequest(
            request_id=new_id(), grant=inventory_pb.ItemGrant(quantity=1, metadata=metadata, **self.item)
        )
        return (await self.items.GrantItem(request)).item.metadata

    async def batch_grant(self, metadata: Struct) -> Any:
        grant = inventory_pb.ItemGrant(quantity=1, metadata=metadata, **self.item)
        await self.items.BatchGrantItems(inventory_pb.BatchGrantItemsRequest(request_id=new_id(), grants=[grant]))
        return (await self.items.GetItem(inventory_pb.GetItemRequest(**self.item))).item.metadata

    async def update_metadata(self, metadata: Struct) -> Any:
        await self.grant(Struct())
        request = inventory_pb.UpdateItemMetadataRequest(metadata=metadata, **self.item)
        return (await self.items.UpdateItemMetadata(request)).item.metadata

    async def start_match(self, metadata: Struct) -> Any:
        request = match_pb.StartMatchRequest(
            request_id=new_id(), game_mode="deep", participants=[match_pb.MatchParticipant(player_id=self.player_id)],
            metadata=metadata,
        )  # fmt: skip
        return (await self.matches.StartMatch(request)).match.metadata

    async def record_match(self, metadata: Struct) -> Any:
        match = match_pb.Match(
            game_mode="deep", players=[match_pb.MatchPlayer(player_id=self.player_id)], metadata=metadata
        )
        request = match_pb.RecordMatchRequest(request_id=new_id(), match=match)
        return (await self.matches.RecordMatch(request)).match.metadata

    async def submit(self, metadata: Struct) -> Any:
        request = boards_pb.SubmitScoreRequest(
            submission=boards_pb.ScoreSubmission(leaderboard_id=self.board, entry_id="one", score=1, metadata=metadata)
        )
        return (await self.boards.SubmitScore(request)).entry.metadata

    async def batch_submit(self, metadata: Struct) -> Any:
        submission = boards_pb.ScoreSubmission(leaderboard_id=self.board, entry_id="one", score=1, metadata=metadata)
        await self.boards.BatchSubmitScores(boards_pb.BatchSubmitScoresRequest(submissions=[submission]))
        answer = await self.boards.GetEntry(boards_pb.GetEntryRequest(leaderboard_id=self.board, entry_id="one"))
        return answer.entry.metadata

    async def lists(self) -> list[Any]:
        """What every list answers; each must be readable."""
        return [
            await self.players.ListPlayers(profile_pb.ListPlayersRequest()),
            await self.players.BatchGetPlayers(profile_pb.BatchGetPlayersRequest(player_ids=[self.player_id])),
            await self.items.ListItems(inventory_pb.ListItemsRequest(player_id=self.player_id)),
            await self.matches.ListMatches(match_pb.ListMatchesRequest(player_id=self.player_id)),
            await self.boards.ListTop(boards_pb.ListTopRequest(leaderboard_id=self.board)),
            await self.boards.ListAround(boards_pb.ListAroundRequest(leaderboard_id=self.board, entry_id="one")),
        ]


@pytest.fixture(scope="module")
async def world(profile: Service, inventory: Service, leaderboard: Service, players: Players) -> World:
    made = World(profile, inventory, leaderboard, (await players(1))[0])
    await made.boards.CreateLeaderboard(
        boards_pb.CreateLeaderboardRequest(leaderboard=boards_pb.Leaderboard(leaderboard_id=made.board))
    )
    await made.submit(Struct())
    return made


Store = Callable[[World, Struct], Awaitable[Any]]

# How a Struct is stored, and the field that says so.
WAYS: dict[str, tuple[Store, str]] = {
    "CreatePlayer": (World.create_player, "attributes"),
    "UpdatePlayer": (World.update_player, "player.attributes"),
    "GrantItem": (World.grant, "grant.metadata"),
    "BatchGrantItems": (World.batch_grant, "grants[0].metadata"),
    "UpdateItemMetadata": (World.update_metadata, "metadata"),
    "StartMatch": (World.start_match, "metadata"),
    "RecordMatch": (World.record_match, "match.metadata"),
    "SubmitScore": (World.submit, "submission.metadata"),
}


@pytest.mark.parametrize("kind", ["objects", "lists"])
@pytest.mark.parametrize("way", [*WAYS, "BatchSubmitScores"])
async def test_16_levels_are_kept_and_every_list_can_be_read(world: World, way: str, kind: str) -> None:
    store = World.batch_submit if way == "BatchSubmitScores" else WAYS[way][0]
    deep = struct(nested(DEEPEST, kind))
    assert await store(world, deep) == deep
    assert len(await world.lists()) == 6


@pytest.mark.parametrize("kind", ["objects", "lists"])
@pytest.mark.parametrize("levels", [DEEPEST + 1, 30])
@pytest.mark.parametrize("way", WAYS)
async def test_deeper_is_refused_by_the_fields_name(world: World, way: str, levels: int, kind: str) -> None:
    store, field = WAYS[way]
    failed = await failure(store(world, struct(nested(levels, kind))))
    assert (failed.code.name, failed.reason, failed.field) == ("INVALID_ARGUMENT", "FIELD_INVALID", field)
    assert "16 levels" in failed.message
    await world.lists()


async def test_deeper_in_a_batch_of_scores_fails_that_score_alone(world: World) -> None:
    answer = await world.boards.BatchSubmitScores(
        boards_pb.BatchSubmitScoresRequest(
            submissions=[
                boards_pb.ScoreSubmission(
                    leaderboard_id=world.board, entry_id="one", score=1, metadata=struct(nested(levels))
                )
                for levels in (DEEPEST, DEEPEST + 1)
            ]
        )
    )
    assert [result.WhichOneof("result") for result in answer.results] == ["entry", "failure"]
    failed = failure_in(answer.results[1].failure)
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "submissions[1].metadata")


def bytes_nested(levels: int) -> bytes:
    """A Struct's bytes: clients refuse to write what no parser reads."""
    inner = b""
    for _ in range(levels):
        value = b"\x2a" + _length(inner) + inner
        entry = b"\x0a\x01a\x12" + _length(value) + value
        inner = b"\x0a" + _length(entry) + entry
    return inner


def _length(part: bytes) -> bytes:
    low, high = len(part) & 0x7F, len(part) >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])


@pytest.mark.parametrize("levels", [40, 100, 900])
async def test_what_the_parser_refuses_is_told_to_nest_too_deeply(profile: Service, levels: int) -> None:
    deep = bytes_nested(levels)
    raw = b"\x0a\x03ada\x22" + _length(deep) + deep
    call: Any = profile.channel.unary_unary("/savepoint.profile.v1.ProfileService/CreatePlayer")
    failed = await failure(call(raw))
    assert (failed.code.name, failed.reason, failed.field) == ("INVALID_ARGUMENT", "FIELD_INVALID", "request")
    assert "nest" in failed.message


def text_nested(levels: int) -> str:
    return '{"a":' * levels + '"core"' + "}" * levels


@pytest.mark.parametrize("levels", [30, 34, 60, 3000])
async def test_a_deeper_row_of_an_earlier_release_spoils_no_answer(stores: Stores, world: World, levels: int) -> None:
    player_id, match_id = new_id(), new_id()
    await world.grant(Struct())
    names = {
        "id": player_id,
        "name": player_id[:32],
        "match": match_id,
        "player": world.player_id,
        "deep": text_nested(levels),
    }
    profile_db = await psycopg.AsyncConnection.connect(stores.postgres_url("profile"), autocommit=True)
    inventory_db = await psycopg.AsyncConnection.connect(stores.postgres_url("inventory"), autocommit=True)
    async with profile_db, inventory_db:
        await profile_db.execute(
            "INSERT INTO players (player_id, username, email, attributes) "
            "VALUES (%(id)s, %(name)s, %(name)s || '@example.com', %(deep)s)",
            names,
        )
        await inventory_db.execute("UPDATE inventory SET metadata = %(deep)s WHERE player_id = %(player)s", names)
        await inventory_db.execute(
            """WITH made AS (INSERT INTO matches (match_id, game_mode, started_at, metadata)
                             VALUES (%(match)s, 'deep', now(), %(deep)s) RETURNING *)
               INSERT INTO match_players
                 (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change, xp_gained)
               SELECT match_id, %(player)s, game_mode, started_at, 0, 0, 0, 0, 0, 0 FROM made""",
            names,
        )
        try:
            await world.lists()
            got = await world.players.GetPlayer(profile_pb.GetPlayerRequest(player_id=player_id))
            item = await world.items.GetItem(inventory_pb.GetItemRequest(**world.item))
            match = await world.matches.GetMatch(match_pb.GetMatchRequest(match_id=match_id))
            await world.matches.ListMatches(match_pb.ListMatchesRequest(game_mode="deep"))
        finally:
            await profile_db.execute("DELETE FROM players WHERE player_id = %(id)s", names)
            await inventory_db.execute("DELETE FROM inventory WHERE player_id = %(player)s", names)
            for table in ("matches", "match_players"):
                await inventory_db.execute(f"DELETE FROM {table} WHERE match_id = %(match)s", names)
    for answered in (got.player.attributes, item.item.metadata, match.match.metadata):
        # What a client can read is answered as it is, and what lies deeper as the text of its JSON.
        value: Any = MessageToDict(answered)
        for _ in range(min(levels, 30)):
            value = value["a"]
        assert value == "core" if levels <= 30 else value.replace(" ", "") == text_nested(levels - 30)
