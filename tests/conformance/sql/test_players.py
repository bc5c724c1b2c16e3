"""Players: made, read, changed, listed, deleted."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

if TYPE_CHECKING:
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub

from services.profile.players.types import POSITION, PlayerOrder, PlayerPosition
from shared.contract.paging import Pages
from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service


@pytest.fixture
def stub(profile: Service) -> "ProfileServiceAsyncStub":
    return ProfileServiceStub(profile.channel)


def new(**fields: object) -> pb.CreatePlayerRequest:
    name = uuid.uuid4().hex[:24]
    return pb.CreatePlayerRequest(**{"username": name, "email": f"{name}@example.com", **fields})  # type: ignore[arg-type]


def update(player: pb.Player, *paths: str) -> pb.UpdatePlayerRequest:
    return pb.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=paths))


async def read(stub: "ProfileServiceAsyncStub", player_id: str) -> pb.Player:
    return (await stub.GetPlayer(pb.GetPlayerRequest(player_id=player_id))).player


async def test_a_player_keeps_what_it_was_made_with(stub: "ProfileServiceAsyncStub") -> None:
    attributes = Struct()
    attributes.update({"skin": "blue", "wins": 3, "nested": {"list": [1, None, True, "é"]}})
    made = (await stub.CreatePlayer(new(attributes=attributes, player_id=str(uuid.uuid4())))).player
    assert await read(stub, made.player_id) == made
    assert made.attributes == attributes


@pytest.mark.parametrize(
    ("name", "said"),
    [("a\u200bb", "U+200B"), ("\u202eada", "U+202E"), ("Cura\u0063\u0327ao", "Curaçao"), ("a\u00a0b", "'a b'")],
)
async def test_a_name_that_only_looks_like_another_is_refused(
    stub: "ProfileServiceAsyncStub", name: str, said: str
) -> None:
    failed = await failure(stub.CreatePlayer(new(username=name)))
    assert (failed.code, failed.reason, failed.field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_INVALID",
        "username",
    )
    assert said in failed.message
    made = (await stub.CreatePlayer(new())).player
    failed = await failure(
        stub.UpdatePlayer(update(pb.Player(player_id=made.player_id, username=name, mmr=7), "username", "mmr"))
    )
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "player.username")
    assert await read(stub, made.player_id) == made


async def test_a_name_that_an_earlier_release_took_is_found_and_can_be_changed(
    stub: "ProfileServiceAsyncStub", tables: psycopg.AsyncConnection
) -> None:
    made = (await stub.CreatePlayer(new())).player
    odd = f"{made.username[:20]}\u200bx"
    await tables.execute("UPDATE players SET username = %s WHERE player_id = %s", (odd, made.player_id))
    found = (await stub.LookupPlayer(pb.LookupPlayerRequest(username=odd))).player
    assert (found.player_id, found.username) == (made.player_id, odd)
    mended = f"{made.username[:20]} ø"
    wish = pb.Player(player_id=made.player_id, username=mended)
    assert (await stub.UpdatePlayer(update(wish, "username"))).player.username == mended


async def test_names_and_addresses_are_taken_once(stub: "ProfileServiceAsyncStub") -> None:
    first = (await stub.CreatePlayer(new())).player
    for field, value, reason in (
        ("username", first.username, "USERNAME_TAKEN"),
        ("email", first.email.upper(), "EMAIL_TAKEN"),
        ("player_id", first.player_id, "PLAYER_ID_TAKEN"),
    ):
        failed = await failure(stub.CreatePlayer(new(**{field: value})))
        assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, reason)


async def test_creating_again_under_one_request_id_makes_one_player(stub: "ProfileServiceAsyncStub") -> None:
    request = new(request_id=str(uuid.uuid4()))
    answers = await asyncio.gather(*(stub.CreatePlayer(request) for _ in range(16)))
    assert len({answer.SerializeToString() for answer in answers}) == 1


async def test_many_are_read_in_the_order_asked(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    ids, nobody = await players(5), str(uuid.uuid4())
    asked = [ids[3], nobody, ids[0], ids[3]]
    answer = await stub.BatchGetPlayers(pb.BatchGetPlayersRequest(player_ids=asked))
    assert [player.player_id for player in answer.players] == [ids[3], ids[0], ids[3]]
    assert list(answer.missing_player_ids) == [nobody]


async def test_a_player_is_found_by_name_and_by_address(stub: "ProfileServiceAsyncStub") -> None:
    made = (await stub.CreatePlayer(new())).player
    by_name = await stub.LookupPlayer(pb.LookupPlayerRequest(username=made.username))
    by_address = await stub.LookupPlayer(pb.LookupPlayerRequest(email=made.email.upper()))
    assert by_name.player == by_address.player == made


async def test_an_update_sets_what_the_mask_names_and_nothing_else(stub: "ProfileServiceAsyncStub") -> None:
    made = (await stub.CreatePlayer(new())).player
    wish = pb.Player(player_id=made.player_id, mmr=1234, level=9, xp=5, username="ignored")
    changed = (await stub.UpdatePlayer(update(wish, "mmr", "level"))).player
    assert (changed.mmr, changed.level, changed.xp, changed.username) == (1234, 9, 0, made.username)
    assert await read(stub, made.player_id) == changed


async def test_a_stale_etag_changes_nothing(stub: "ProfileServiceAsyncStub") -> None:
    made = (await stub.CreatePlayer(new())).player
    current = (await stub.RecordLogin(pb.RecordLoginRequest(player_id=made.player_id))).player
    made.mmr = 5
    failed = await failure(stub.UpdatePlayer(update(made, "mmr")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert failed.metadata["current_etag"] == current.etag
    failed = await failure(stub.DeletePlayer(pb.DeletePlayerRequest(player_id=made.player_id, etag=made.etag)))
    assert failed.reason == "ETAG_MISMATCH"
    assert await read(stub, made.player_id) == current


@pytest.mark.parametrize("paths", [[], ["coins"], ["player_id"], ["nonsense"]])
async def test_a_mask_names_only_what_can_be_set(stub: "ProfileServiceAsyncStub", paths: list[str]) -> None:
    made = (await stub.CreatePlayer(new())).player
    failed = await failure(stub.UpdatePlayer(update(made, *paths)))
    assert (failed.code, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "update_mask")


def progress(*changes: tuple[str, int, int]) -> pb.BatchApplyProgressRequest:
    return pb.BatchApplyProgressRequest(
        request_id=str(uuid.uuid4()),
        changes=[pb.ProgressChange(player_id=i, mmr_delta=mmr, xp_delta=xp) for i, mmr, xp in changes],
    )


async def test_progress_adds_up_and_levels_come_from_xp(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    winner, loser = await players(2)
    answer = await stub.BatchApplyProgress(progress((loser, -1500, 10), (winner, 16, 2500)))
    assert [(p.player_id, p.mmr, p.xp, p.level) for p in answer.players] == [(loser, 0, 10, 1), (winner, 1016, 2500, 3)]
    kept = await read(stub, winner)
    kept.ClearField("attributes")
    assert kept == answer.players[1]


async def test_a_level_once_given_is_not_lost_to_progress(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    [player_id] = await players(1)
    await stub.UpdatePlayer(update(pb.Player(player_id=player_id, level=50), "level"))
    assert (await stub.BatchApplyProgress(progress((player_id, 0, 1000)))).players[0].level == 50


async def test_progress_is_all_or_nothing(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    [player_id], nobody = await players(1), str(uuid.uuid4())
    failed = await failure(stub.BatchApplyProgress(progress((player_id, 5, 5), (nobody, 5, 5))))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "PLAYER_NOT_FOUND")
    assert failed.metadata["player_id"] == nobody
    await stub.UpdatePlayer(update(pb.Player(player_id=player_id, xp=2**63 - 1), "xp"))
    assert (await failure(stub.BatchApplyProgress(progress((player_id, 5, 1))))).reason == "PROGRESS_LIMIT"
    player = await read(stub, player_id)
    assert (player.mmr, player.xp) == (1000, 2**63 - 1)


async def test_progress_of_one_request_id_counts_once(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    pair = await players(2)
    request = progress((pair[0], 10, 0), (pair[1], -10, 0))
    answers = await asyncio.gather(*(stub.BatchApplyProgress(request) for _ in range(32)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert [(await read(stub, i)).mmr for i in pair] == [1010, 990]


async def test_a_replayed_answer_does_not_put_the_old_player_into_the_cache(
    stub: "ProfileServiceAsyncStub", players: Players
) -> None:
    [player_id] = await players(1)
    request = progress((player_id, 10, 0))
    await stub.BatchApplyProgress(request)
    await stub.BatchApplyProgress(progress((player_id, 10, 0)))
    replayed = await stub.BatchApplyProgress(request)
    assert replayed.players[0].mmr == 1010
    assert (await read(stub, player_id)).mmr == 1020


@pytest.mark.parametrize("order", [pb.PLAYER_ORDER_MMR, pb.PLAYER_ORDER_LEVEL, pb.PLAYER_ORDER_CREATED])
async def test_pages_go_through_every_player_once_and_in_order(
    stub: "ProfileServiceAsyncStub", players: Players, order: pb.PlayerOrder
) -> None:
    mine = await players(23)
    for place, player_id in enumerate(mine):
        wish = pb.Player(player_id=player_id, mmr=77_000 + place // 3, level=1 + place // 4)
        await stub.UpdatePlayer(update(wish, "mmr", "level"))
    seen: list[pb.Player] = []
    request = pb.ListPlayersRequest(order=order, min_mmr=77_000, max_mmr=77_999, page_size=4)
    while True:
        page = await stub.ListPlayers(request)
        seen += page.players
        if not page.next_page_token:
            break
        assert len(page.players) == 4
        request.page_token = page.next_page_token
    whole = await stub.ListPlayers(pb.ListPlayersRequest(order=order, min_mmr=77_000, max_mmr=77_999, page_size=23))
    assert (len(whole.players), whole.next_page_token) == (23, "")
    assert sorted(player.player_id for player in seen) == sorted(mine)
    keys = {
        pb.PLAYER_ORDER_MMR: [player.mmr for player in seen],
        pb.PLAYER_ORDER_LEVEL: [player.level for player in seen],
        pb.PLAYER_ORDER_CREATED: [player.created_at.ToMicroseconds() for player in seen],
    }[order]
    assert keys == sorted(keys, reverse=True)
    for player_id in mine:
        await stub.DeletePlayer(pb.DeletePlayerRequest(player_id=player_id))


async def test_a_page_token_serves_only_the_list_it_came_from(
    stub: "ProfileServiceAsyncStub", players: Players
) -> None:
    await players(2)
    token = (await stub.ListPlayers(pb.ListPlayersRequest(page_size=1))).next_page_token
    for request in (
        pb.ListPlayersRequest(order=pb.PLAYER_ORDER_MMR, page_token=token),
        pb.ListPlayersRequest(min_mmr=1, page_token=token),
        pb.ListPlayersRequest(max_mmr=2**31 - 2, page_token=token),
        pb.ListPlayersRequest(page_token=token[:-2] + "AA"),
        pb.ListPlayersRequest(page_token="forged"),
        pb.ListPlayersRequest(page_token="é" * 400),
    ):
        failed = await failure(stub.ListPlayers(request))
        assert (failed.code, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")


async def test_a_position_forged_for_a_list_is_refused(stub: "ProfileServiceAsyncStub") -> None:
    # Whoever knows the code can make tokens; what does not belong into the list's order must not reach the database.
    last = uuid.UUID(int=7)
    for order, value in ((PlayerOrder.CREATED, 5), (PlayerOrder.MMR, 2**40), (PlayerOrder.LEVEL, datetime.now(UTC))):
        token = Pages("ListPlayers", order.name, 0, 2**31 - 1).token(PlayerPosition(value, last), POSITION)
        request = pb.ListPlayersRequest(order=f"PLAYER_ORDER_{order.name}", page_token=token)
        assert (await failure(stub.ListPlayers(request))).field == "page_token"


async def test_a_deleted_player_is_gone_everywhere(stub: "ProfileServiceAsyncStub", players: Players) -> None:
    [player_id] = await players(1)
    await read(stub, player_id)
    await stub.DeletePlayer(pb.DeletePlayerRequest(player_id=player_id))
    for call in (
        stub.GetPlayer(pb.GetPlayerRequest(player_id=player_id)),
        stub.DeletePlayer(pb.DeletePlayerRequest(player_id=player_id)),
        stub.RecordLogin(pb.RecordLoginRequest(player_id=player_id)),
    ):
        assert (await failure(call)).reason == "PLAYER_NOT_FOUND"


async def test_a_player_made_anew_under_an_old_id_is_read_fresh(stub: "ProfileServiceAsyncStub") -> None:
    request = new(player_id=str(uuid.uuid4()))
    old = (await stub.CreatePlayer(request)).player
    await stub.RecordLogin(pb.RecordLoginRequest(player_id=old.player_id))
    await stub.DeletePlayer(pb.DeletePlayerRequest(player_id=old.player_id))
    made = (await stub.CreatePlayer(request)).player
    assert await read(stub, old.player_id) == made
    assert made.etag != old.etag
