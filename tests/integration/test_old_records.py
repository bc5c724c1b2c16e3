"""Request records as 0.1 wrote them are read: they hold an answer, whole, and no board's name."""

import json
import uuid
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from redis.asyncio import Redis
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.local.stores import Stores
from shared.stores.requests.key import RequestKey
from tests.support.released import fingerprint_of_0_1
from tests.support.service import Service

# Makes of a board's record one of 0.1: fingerprint and answer, nothing else.
OLD_RECORD = """
local fingerprint, answer = unpack(cmsgpack.unpack(redis.call('GET', KEYS[1])))
redis.call('SET', KEYS[1], cmsgpack.pack({fingerprint, answer}))
"""
# The fingerprint in a board's record.
RECORDED = "return cmsgpack.unpack(redis.call('GET', KEYS[1]))[1]"
MOMENT = "2026-01-02T03:04:05.678901+00:00"


async def keep(service: Service, request: Any, answer: object) -> None:
    """Inserts the record of a request that was answered so."""
    key = RequestKey.of(request)
    async with await psycopg.AsyncConnection.connect(service.environment["DATABASE_URL"], autocommit=True) as database:
        await database.execute(
            "INSERT INTO requests (request_id, method, fingerprint, answer) VALUES (%s, %s, %s, %s)",
            (key.request_id, key.method, key.fingerprint, Jsonb(answer)),
        )


async def test_progress(profile: Service) -> None:
    player_id = str(uuid.uuid4())
    request = profile_pb2.BatchApplyProgressRequest(request_id=str(uuid.uuid4()))
    request.changes.add(player_id=player_id, xp_delta=5)
    player = {
        **{"player_id": player_id, "username": "ada", "email": "ada@example.com", "mmr": 7, "level": 1, "xp": 5},
        **{"coins": 0, "held_coins": 0, "created_at": MOMENT, "last_login_at": None, "version": 3},
        "attributes": json.dumps({"skin": "blue"}),
    }
    await keep(profile, request, [player])
    [answered] = (await ProfileServiceStub(profile.channel).BatchApplyProgress(request)).players
    assert (answered.username, answered.mmr, answered.etag) == ("ada", 7, "3")
    assert not answered.HasField("attributes")


async def test_items(inventory: Service) -> None:
    stub, player_id = InventoryServiceStub(inventory.channel), str(uuid.uuid4())
    key: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron"}
    item = {
        **{**key, "quantity": 4, "metadata": json.dumps({"from": "the north"})},
        **{"acquired_at": MOMENT, "updated_at": MOMENT, "version": 3},
    }
    consume = inventory_pb2.ConsumeItemRequest(request_id=str(uuid.uuid4()), quantity=1, **key)
    await keep(inventory, consume, item)
    answered = (await stub.ConsumeItem(consume)).item
    assert (answered.quantity, answered.metadata["from"]) == (4, "the north")


async def test_scores(leaderboard: Service, stores: Stores) -> None:
    stub, board = LeaderboardServiceStub(leaderboard.channel), f"board-{uuid.uuid4()}"
    create = leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    await stub.CreateLeaderboard(create)
    submissions = [leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id="ann", score=5)]
    request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions, request_id=str(uuid.uuid4()))
    first = await stub.BatchSubmitScores(request)
    async with Redis.from_url(stores.ranks_url) as redis:
        await redis.eval(OLD_RECORD, 1, f"board:{{{board}}}:request:{request.request_id}")
    assert await stub.BatchSubmitScores(request) == first


async def kept(service: Service, request_id: str) -> bytes:
    """The fingerprint that a service has recorded with a request."""
    async with await psycopg.AsyncConnection.connect(service.environment["DATABASE_URL"]) as database:
        rows = await database.execute("SELECT fingerprint FROM request_answers WHERE request_id = %s", (request_id,))
        [[fingerprint]] = await rows.fetchall()
        return bytes(fingerprint)


async def test_requests_of_another_shape_than_in_0_1_are_recorded_as_0_1_would_have(
    profile: Service, inventory: Service, leaderboard: Service, stores: Stores
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(5)]
    player: dict[str, Any] = {
        "request_id": ids[0],
        "player_id": ids[4],
        "username": ids[4][:32],
        "email": "old@" + ids[4],
    }
    await ProfileServiceStub(profile.channel).CreatePlayer(profile_pb2.CreatePlayerRequest(**player))
    assert await kept(profile, ids[0]) == fingerprint_of_0_1("savepoint.profile.v1.CreatePlayerRequest", player)

    grant: dict[str, Any] = {"player_id": ids[4], "item_type": "ore", "item_id": "iron", "quantity": 4}
    request = inventory_pb2.GrantItemRequest(request_id=ids[1], grant=inventory_pb2.ItemGrant(**grant))
    await InventoryServiceStub(inventory.channel).GrantItem(request)
    of_0_1 = fingerprint_of_0_1("savepoint.inventory.v1.GrantItemRequest", {"request_id": ids[1], **grant})
    assert await kept(inventory, ids[1]) == of_0_1

    board = f"board-{ids[4]}"
    ranks = LeaderboardServiceStub(leaderboard.channel)
    await ranks.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    )
    score: dict[str, Any] = {"leaderboard_id": board, "entry_id": "ann", "score": 5}
    submission = leaderboard_pb2.ScoreSubmission(**score)
    await ranks.SubmitScore(leaderboard_pb2.SubmitScoreRequest(request_id=ids[2], submission=submission))
    batch = leaderboard_pb2.BatchSubmitScoresRequest(request_id=ids[3], submissions=[submission, submission])
    await ranks.BatchSubmitScores(batch)
    async with Redis.from_url(stores.ranks_url) as redis:
        for request_id, name, content in (
            (ids[2], "SubmitScore", score),
            (ids[3], "BatchSubmitScores", {"submissions": [score, score]}),
        ):
            recorded = await redis.eval(RECORDED, 1, f"board:{{{board}}}:request:{request_id}")
            name = f"savepoint.leaderboard.v1.{name}"
            of_0_1 = fingerprint_of_0_1(f"{name}Request", {"request_id": request_id, **content})
            assert recorded == name.encode() + b":" + of_0_1
