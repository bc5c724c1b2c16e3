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

from deploy.local.suite import Stores
from shared.stores.requests.key import RequestKey
from tests.support.service import Service

# Makes of a board's record one of 0.1: fingerprint and answer, nothing else.
OLD_RECORD = """
local fingerprint, answer = unpack(cmsgpack.unpack(redis.call('GET', KEYS[1])))
redis.call('SET', KEYS[1], cmsgpack.pack({fingerprint, answer}))
"""
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
