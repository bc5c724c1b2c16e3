"""A record outlives the release that wrote it: what a release kept is answered alike by the services of today."""

import json
from typing import Any

import pytest
from grpc import aio
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from redis.asyncio import Redis

from deploy.local.stores import Stores
from services.inventory.items.types import KEPT_ITEM, KEPT_ITEMS
from services.inventory.matches.types import KEPT_MATCH
from services.profile.players.types import KEPT_PLAYER, KEPT_PLAYERS
from services.profile.wallets.types import KEPT_ADJUSTMENT, KEPT_TRANSFER
from shared.stores.requests.kept import KeptAnswer
from shared.stores.requests.key import RequestKey
from tests.support.errors import failure_of
from tests.support.kept_calls import KeptCall, kept_calls, recorded_rpcs
from tests.support.service import Service

# How each RPC's answer is kept; None: by submit_scores.lua, in one version so far.
KEPT: dict[str, KeptAnswer[Any] | None] = {
    "CreatePlayer": KEPT_PLAYER,
    "BatchApplyProgress": KEPT_PLAYERS,
    "AdjustCoins": KEPT_ADJUSTMENT,
    "TransferCoins": KEPT_TRANSFER,
    "GrantItem": KEPT_ITEM,
    "ConsumeItem": KEPT_ITEM,
    "BatchGrantItems": KEPT_ITEMS,
    "StartMatch": KEPT_MATCH,
    "FinishMatch": KEPT_MATCH,
    "RecordMatch": KEPT_MATCH,
    "SubmitScore": None,
    "BatchSubmitScores": None,
}
KEEP_SCORES = "redis.call('SET', KEYS[1], cmsgpack.pack({ARGV[1], cjson.decode(ARGV[2])}))"


@pytest.mark.parametrize("rpc", recorded_rpcs())
def test_of_every_rpc_with_a_request_id_a_call_is_kept_in_every_version(rpc: str) -> None:
    kept = KEPT[rpc]
    versions = range(1, (kept.version if kept else 1) + 1)
    assert {call.version for call in kept_calls() if call.rpc == rpc} == set(versions)


@pytest.mark.parametrize("call", kept_calls(), ids=lambda call: call.id)
async def test_what_a_release_kept_is_answered_alike(
    profile: Service, inventory: Service, leaderboard: Service, stores: Stores, call: KeptCall
) -> None:
    key = call.key()
    if call.path.startswith("/savepoint.leaderboard"):
        service = leaderboard
        await keep_scores(stores, call, key)
    else:
        service = profile if call.path.startswith("/savepoint.profile") else inventory
        await keep(service, call, key)
    wire = call.request()
    if call.refused:
        with pytest.raises(aio.AioRpcError) as raised:
            await call.send(service.channel, wire)
        refused = failure_of(raised.value)
        assert {
            "code": refused.code.name,
            **{name: getattr(refused, name) for name in call.refused if name != "code"},
        } == (call.refused)
    else:
        call.check(await call.send(service.channel, wire))


async def keep(service: Service, call: KeptCall, key: RequestKey) -> None:
    """Inserts the record as its release did."""
    values = {**key.params(), "answer": Jsonb(call.kept), "version": call.version}
    async with await AsyncConnection.connect(service.environment["DATABASE_URL"]) as database:
        if call.release == "release_0_1":
            await database.execute(
                """INSERT INTO requests (request_id, method, fingerprint, answer)
                   VALUES (%(request_id)s, %(method)s, %(fingerprint)s, %(answer)s)""",
                values,
            )
        else:
            await database.execute("INSERT INTO requests (request_id) VALUES (%(request_id)s)", values)
            await database.execute(
                """INSERT INTO request_answers (request_id, method, fingerprint, answer, version)
                   VALUES (%(request_id)s, %(method)s, %(fingerprint)s, %(answer)s, %(version)s)""",
                values,
            )


async def keep_scores(stores: Stores, call: KeptCall, key: RequestKey) -> None:
    async with Redis.from_url(stores.ranks_url) as redis:
        fingerprint = key.method.encode() + b":" + key.fingerprint
        record = f"board:{{weekly}}:request:{key.request_id}"
        await redis.eval(KEEP_SCORES, 1, record, fingerprint, json.dumps(call.kept))
