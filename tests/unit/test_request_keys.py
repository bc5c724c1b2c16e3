"""A request that 0.1 recorded is known again by its fingerprint, though its fields have other numbers or another place
now."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from savepoint.inventory.v1 import inventory_pb2
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.match.v1 import match_pb2
from savepoint.profile.v1 import profile_pb2, wallet_pb2

from services.inventory.items import messages as items
from services.leaderboard.boards import messages as boards
from services.profile.players import messages as players
from shared.contract.renumbered import renumbered
from shared.stores.requests.key import RequestKey
from tests.support.released import fingerprint_of_0_1

REQUEST_ID = "01a202eb-ffa2-73ff-a7e2-c2b37aa0c9ec"
PLAYER, OTHER = "1f0e7a52-5a0c-7d6e-9d0a-3f8a6c1b2d4e", "2f0e7a52-5a0c-7d6e-9d0a-3f8a6c1b2d4e"

Json = dict[str, Any]
METADATA = {"skin": "röt", "level": 7, "list": [1, None, {"a": True}]}
ITEM: Json = {"player_id": PLAYER, "item_type": "ore", "item_id": "iron", "quantity": 2**62}
GRANT: Json = {**ITEM, "metadata": METADATA}
SCORE: Json = {"leaderboard_id": "b", "entry_id": "ann", "score": -5, "subscore": 2**40, "metadata": METADATA}
SIDE: Json = {"player_id": PLAYER, "team": 1}
RESULT: Json = {**SIDE, "score": -1, "kills": 300, "deaths": 2**31 - 1, "mmr_change": -7, "xp_gained": 2**62}
MATCH: Json = {"game_mode": "duel", "started_at": "2026-01-02T03:04:05.678901Z", "metadata": METADATA}
NEW: Json = {"username": "ada", "email": "ada@example.com", "player_id": PLAYER, "attributes": METADATA}

# A request of today, and the same one as a client of 0.1 sent it.
CASES: list[tuple[Message, Json, Json]] = [
    (profile_pb2.CreatePlayerRequest(), NEW, NEW),
    (profile_pb2.CreatePlayerRequest(), {"username": "ada", "email": "a@b"}, {"username": "ada", "email": "a@b"}),
    (profile_pb2.BatchApplyProgressRequest(), changes := {"changes": [{"player_id": PLAYER, "xp_delta": 5}]}, changes),
    (wallet_pb2.AdjustCoinsRequest(), adjust := {"player_id": PLAYER, "delta": -5, "reason": "r"}, adjust),
    (wallet_pb2.TransferCoinsRequest(), moved := {"sender_player_id": PLAYER, "amount": 5, "reason": "r"}, moved),
    (inventory_pb2.GrantItemRequest(), {"grant": GRANT}, GRANT),
    (inventory_pb2.GrantItemRequest(), {"grant": ITEM}, ITEM),
    (inventory_pb2.BatchGrantItemsRequest(), {"grants": [GRANT, ITEM]}, {"grants": [GRANT, ITEM]}),
    (inventory_pb2.ConsumeItemRequest(), ITEM, ITEM),
    (match_pb2.StartMatchRequest(), {**MATCH, "participants": [SIDE]}, {**MATCH, "players": [SIDE]}),
    (match_pb2.FinishMatchRequest(), {"winner_team": 1, "results": [RESULT]}, {"winner_team": 1, "players": [RESULT]}),
    (match_pb2.RecordMatchRequest(), done := {"match": {**MATCH, "match_id": OTHER, "players": [RESULT]}}, done),
    (leaderboard_pb2.SubmitScoreRequest(), {"submission": SCORE}, SCORE),
    (leaderboard_pb2.BatchSubmitScoresRequest(), scores := {"submissions": [SCORE, SCORE]}, scores),
]
CONTENTS: dict[str, Callable[[Any], bytes]] = {
    "CreatePlayerRequest": players.content_of_0_1,
    "GrantItemRequest": items.content_of_0_1,
    "SubmitScoreRequest": boards.content_of_0_1,
    "BatchSubmitScoresRequest": boards.content_of_0_1,
}


@pytest.mark.parametrize(("request_now", "now", "before"), CASES, ids=lambda case: type(case).__name__)
def test_the_fingerprint_is_that_of_0_1(request_now: Any, now: Json, before: Json) -> None:
    name = request_now.DESCRIPTOR.full_name
    ParseDict({"request_id": REQUEST_ID, **now}, request_now)
    key = RequestKey.of(request_now, CONTENTS.get(name.rpartition(".")[2]))
    assert key.fingerprint == fingerprint_of_0_1(name, {"request_id": REQUEST_ID, **before})


def test_fields_of_any_number_and_kind_can_be_numbered_anew() -> None:
    # Of each kind: a varint, 8 bytes, a length, 4 bytes; some numbers take two bytes.
    message = b"\x08\xac\x02" + b"\x11" + b"8 bytes " + b"\x1a\x02hi" + b"\x25" + b"four" + b"\x1a\x02ho"
    anew = renumbered(message, {1: 300, 2: 16, 3: 2})
    assert anew == b"\x12\x02hi" + b"\x12\x02ho" + b"\x25four" + b"\x81\x018 bytes " + b"\xe0\x12\xac\x02"
    assert renumbered(anew, {300: 1, 16: 2, 2: 3}) == b"".join(
        [b"\x08\xac\x02", b"\x11", b"8 bytes ", b"\x1a\x02hi", b"\x1a\x02ho", b"\x25", b"four"]
    )


def test_a_group_that_the_contract_does_not_know_is_no_obstacle() -> None:
    # Parsers accept and keep one: what is in it, another group too, and its end, which stays behind the beginning.
    group = b"\x9b\x06" + b"\x08\x01" + b"\x13\x1a\x02hi\x14" + b"\x9c\x06"
    sent = profile_pb2.CreatePlayerRequest.FromString(b"\x0a\x02id" + group + b"\x12\x03ada")
    assert players.content_of_0_1(sent) == b"\x0a\x03ada" + b"\x2a\x02id" + group
