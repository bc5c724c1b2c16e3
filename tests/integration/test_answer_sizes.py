"""Every answer fits into the 4 MiB that a gRPC client takes unless it is told otherwise, replays too: over the Structs
that grow most from JSON to protobuf. The channels here are plain ones, which refuse anything larger."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from services.inventory.items import servicer as inventory_servicer
from services.inventory.matches import servicer as match_servicer
from services.leaderboard.boards import servicer as leaderboard_servicer
from services.profile.players import servicer as profile_servicer
from shared.rpc import status
from tests.conftest import Players
from tests.support.errors import failure_in
from tests.support.service import Service

Call = Callable[[Any], Awaitable[Any]]

LARGEST_ANSWER = 4 * 1024 * 1024
# More of each than fit into one answer.
PLAYERS, ITEMS, MATCHES = 60, 13, 13
ENTRIES = 2 * leaderboard_servicer.LARGEST_RANGE + 1


def new_id() -> str:
    return str(uuid.uuid4())


def worst(most_bytes: int) -> Struct:
    """Of all JSON of so many bytes a list of zeros grows most: two bytes of each become eleven."""
    value = {"n": [0] * ((most_bytes - len('{"n":[]}') + 1) // 2)}
    assert most_bytes - 2 < len(json.dumps(value, separators=(",", ":"))) <= most_bytes
    struct = Struct()
    struct.update(value)
    return struct


async def answered(call: Call, request: Message) -> Any:
    """The answer of a call, which must fit."""
    answer = await call(request)
    assert answer.ByteSize() <= LARGEST_ANSWER
    return answer


async def answered_twice(call: Call, request: Message) -> Any:
    """Likewise, and the same again."""
    first, replay = await answered(call, request), await answered(call, request)
    assert first.SerializeToString(deterministic=True) == replay.SerializeToString(deterministic=True)
    return first


async def listed(call: Call, request: Any, name: str) -> list[Any]:
    """What all pages hold."""
    found: list[Any] = []
    while True:
        page = await answered(call, request)
        found += getattr(page, name)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


@pytest.fixture(scope="module")
async def large_players(profile: Service) -> list[str]:
    """Players with the worst of attributes; all of them have an mmr of their own."""
    stub, attributes = ProfileServiceStub(profile.channel), worst(profile_servicer.ATTRIBUTES_BYTES)
    made = []
    for _ in range(PLAYERS):
        name = uuid.uuid4().hex
        request = profile_pb2.CreatePlayerRequest(
            username=name, email=f"{name}@example.com", attributes=attributes, request_id=new_id()
        )
        made.append((await answered(stub.CreatePlayer, request)).player.player_id)
        wish = profile_pb2.Player(player_id=made[-1], mmr=55_555)
        await stub.UpdatePlayer(profile_pb2.UpdatePlayerRequest(player=wish, update_mask=FieldMask(paths=["mmr"])))
    return made


async def test_one_player(profile: Service, large_players: list[str]) -> None:
    stub, player_id = ProfileServiceStub(profile.channel), large_players[0]
    player = (await answered(stub.GetPlayer, profile_pb2.GetPlayerRequest(player_id=player_id))).player
    assert player.attributes == worst(profile_servicer.ATTRIBUTES_BYTES)
    await answered(stub.LookupPlayer, profile_pb2.LookupPlayerRequest(username=player.username))
    await answered(stub.RecordLogin, profile_pb2.RecordLoginRequest(player_id=player_id))


async def test_progress_of_many_players_answers_without_attributes(profile: Service, large_players: list[str]) -> None:
    stub = ProfileServiceStub(profile.channel)
    changes = [profile_pb2.ProgressChange(player_id=player_id, xp_delta=5) for player_id in large_players]
    request = profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=changes)
    answer = await answered_twice(stub.BatchApplyProgress, request)
    assert [player.player_id for player in answer.players] == large_players
    assert not any(player.HasField("attributes") for player in answer.players)
    read = await stub.GetPlayer(profile_pb2.GetPlayerRequest(player_id=large_players[-1]))
    assert read.player.attributes == worst(profile_servicer.ATTRIBUTES_BYTES)
    assert (read.player.xp, read.player.etag) == (answer.players[-1].xp, answer.players[-1].etag)


async def test_many_players_come_in_parts(profile: Service, large_players: list[str]) -> None:
    stub, nobody = ProfileServiceStub(profile.channel), new_id()
    asked, read, missing = [*large_players, nobody, large_players[0]], [], []
    while asked:
        answer = await answered(stub.BatchGetPlayers, profile_pb2.BatchGetPlayersRequest(player_ids=asked))
        read += [player.player_id for player in answer.players]
        missing += answer.missing_player_ids
        assert len(answer.players) + len(answer.missing_player_ids) + len(answer.unread_player_ids) == len(asked)
        asked = list(answer.unread_player_ids)
    assert read == [*large_players, large_players[0]]
    assert missing == [nobody]


async def test_pages_of_players(profile: Service, large_players: list[str]) -> None:
    request = profile_pb2.ListPlayersRequest(
        order=profile_pb2.PLAYER_ORDER_MMR, min_mmr=55_555, max_mmr=55_555, page_size=1000
    )
    found = await listed(ProfileServiceStub(profile.channel).ListPlayers, request, "players")
    assert sorted(player.player_id for player in found) == sorted(large_players)


@pytest.fixture(scope="module")
async def owner(inventory: Service, players: Players) -> str:
    """A player of many items with the worst of metadata."""
    [player_id] = await players(1)
    stub, metadata = InventoryServiceStub(inventory.channel), worst(inventory_servicer.METADATA_BYTES)
    for number in range(ITEMS):
        request = inventory_pb2.GrantItemRequest(
            request_id=new_id(),
            grant=inventory_pb2.ItemGrant(
                player_id=player_id, item_type="large", item_id=f"{number:02}", quantity=9, metadata=metadata
            ),
        )
        await (answered if number else answered_twice)(stub.GrantItem, request)
    return player_id


def item(player_id: str, number: int) -> dict[str, Any]:
    return {"player_id": player_id, "item_type": "large", "item_id": f"{number:02}"}


async def test_one_item(inventory: Service, owner: str) -> None:
    stub = InventoryServiceStub(inventory.channel)
    consume = inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=1, **item(owner, 0))
    answer = await answered_twice(stub.ConsumeItem, consume)
    read = await answered(stub.GetItem, inventory_pb2.GetItemRequest(**item(owner, 0)))
    assert answer.item == read.item
    await answered(
        stub.UpdateItemMetadata,
        inventory_pb2.UpdateItemMetadataRequest(metadata=read.item.metadata, **item(owner, 0)),
    )


async def test_a_batch_of_grants_answers_without_metadata(inventory: Service, owner: str) -> None:
    stub = InventoryServiceStub(inventory.channel)
    grants = [inventory_pb2.ItemGrant(quantity=1, **item(owner, number)) for number in range(ITEMS)]
    request = inventory_pb2.BatchGrantItemsRequest(request_id=new_id(), grants=grants)
    answer = await answered_twice(stub.BatchGrantItems, request)
    assert [given.item_id for given in answer.items] == [grant.item_id for grant in grants]
    assert not any(given.HasField("metadata") for given in answer.items)
    read = (await stub.GetItem(inventory_pb2.GetItemRequest(**item(owner, 1)))).item
    assert read.metadata == worst(inventory_servicer.METADATA_BYTES)
    assert read.etag == answer.items[1].etag


async def test_pages_of_items(inventory: Service, owner: str) -> None:
    request = inventory_pb2.ListItemsRequest(player_id=owner, page_size=1000)
    found = await listed(InventoryServiceStub(inventory.channel).ListItems, request, "items")
    assert [given.item_id for given in found] == [f"{number:02}" for number in range(ITEMS)]


async def test_matches(inventory: Service, players: Players) -> None:
    stub, metadata = MatchServiceStub(inventory.channel), worst(match_servicer.METADATA_BYTES)
    [player_id] = await players(1)
    most: dict[str, Any] = {
        "player_id": player_id,
        "score": -1,
        "kills": 2**63 - 1,
        "mmr_change": -1,
        "xp_gained": 2**63 - 1,
    }
    sides = [match_pb2.MatchPlayer(**most)]
    started = await answered_twice(
        stub.StartMatch,
        match_pb2.StartMatchRequest(
            request_id=new_id(),
            game_mode="large",
            participants=[match_pb2.MatchParticipant(player_id=player_id)],
            metadata=metadata,
        ),
    )
    finish = match_pb2.FinishMatchRequest(request_id=new_id(), match_id=started.match.match_id)
    finish.results.add(**most)
    await answered_twice(stub.FinishMatch, finish)
    recorded = [started.match.match_id]
    for _ in range(MATCHES):
        match = match_pb2.Match(game_mode="large", players=sides, metadata=metadata)
        answer = await answered_twice(stub.RecordMatch, match_pb2.RecordMatchRequest(request_id=new_id(), match=match))
        recorded.append(answer.match.match_id)
    request = match_pb2.ListMatchesRequest(player_id=player_id, page_size=1000)
    found = await listed(stub.ListMatches, request, "matches")
    assert sorted(match.match_id for match in found) == sorted(recorded)
    # 200 players, whose ids have the same length, make up the rest of a match.
    assert found[0].ByteSize() + 200 * sides[0].ByteSize() < LARGEST_ANSWER / 4


@pytest.fixture(scope="module")
async def board(leaderboard: Service) -> str:
    """A board of many entries with the worst of metadata."""
    stub, board = LeaderboardServiceStub(leaderboard.channel), f"large-{uuid.uuid4().hex}"
    await stub.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    )
    metadata = worst(leaderboard_servicer.METADATA_BYTES)
    requests = [
        leaderboard_pb2.SubmitScoreRequest(
            request_id=new_id(),
            submission=leaderboard_pb2.ScoreSubmission(
                leaderboard_id=board, entry_id=f"{number:03}", score=number, metadata=metadata
            ),
        )
        for number in range(ENTRIES)
    ]
    await asyncio.gather(*(answered_twice(stub.SubmitScore, request) for request in requests))
    return board


async def test_a_batch_of_scores_answers_without_metadata(leaderboard: Service, board: str) -> None:
    stub = LeaderboardServiceStub(leaderboard.channel)
    submissions = [
        leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=f"{number:03}", score=number)
        for number in range(ENTRIES)
    ]
    request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions, request_id=new_id())
    answer = await answered_twice(stub.BatchSubmitScores, request)
    assert [result.entry.rank for result in answer.results] == list(range(ENTRIES, 0, -1))
    assert not any(result.entry.HasField("metadata") for result in answer.results)
    read = await answered(stub.GetEntry, leaderboard_pb2.GetEntryRequest(leaderboard_id=board, entry_id="007"))
    assert read.entry.metadata == worst(leaderboard_servicer.METADATA_BYTES)


async def test_a_batch_of_which_all_fails_for_the_longest_reasons(leaderboard: Service) -> None:
    # The key stands in the field's path, so each failure has it five times, cut.
    metadata = Struct()
    metadata["€" * 1100] = float("nan")
    submissions = [leaderboard_pb2.ScoreSubmission(leaderboard_id="b", entry_id="e", metadata=metadata)] * 1000
    request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions)
    answer = await answered(LeaderboardServiceStub(leaderboard.channel).BatchSubmitScores, request)
    failures = [failure_in(result.failure) for result in answer.results]
    assert [failed.reason for failed in failures] == ["FIELD_INVALID"] * 1000
    assert all(failed.field.startswith(f"submissions[{n}].metadata.€") for n, failed in enumerate(failures))
    # What any failure may take, times a thousand.
    assert 1000 * (status.LARGEST_DETAILS + 8) < LARGEST_ANSWER


async def test_pages_of_entries(leaderboard: Service, board: str) -> None:
    request = leaderboard_pb2.ListTopRequest(leaderboard_id=board, page_size=1000)
    found = await listed(LeaderboardServiceStub(leaderboard.channel).ListTop, request, "entries")
    assert [entry.rank for entry in found] == list(range(1, ENTRIES + 1))


@pytest.mark.parametrize("number", [0, 7, 100, ENTRIES - 1])
async def test_the_entries_around_one(leaderboard: Service, board: str, number: int) -> None:
    request = leaderboard_pb2.ListAroundRequest(leaderboard_id=board, entry_id=f"{number:03}", range=100)
    entries = (await answered(LeaderboardServiceStub(leaderboard.channel).ListAround, request)).entries
    asked = ENTRIES - number
    ranks = [entry.rank for entry in entries]
    assert len(ranks) > 100
    assert ranks == list(range(ranks[0], ranks[0] + len(ranks)))
    # As many on each side of it, as far as the board goes.
    assert ranks[0] == 1 or ranks[-1] == ENTRIES or abs((asked - ranks[0]) - (ranks[-1] - asked)) <= 1
    assert asked in ranks
