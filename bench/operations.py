"""The calls that are measured, each with what tells its own answer from any other."""

import random
from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.struct_pb2 import Struct
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from savepoint.inventory.v1 import inventory_pb2
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.profile.v1 import profile_pb2, wallet_pb2

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.seed import Seed

_BOARDS = "/savepoint.leaderboard.v1.LeaderboardService/"
_ITEMS = "/savepoint.inventory.v1.InventoryService/"
_PROFILES = "/savepoint.profile.v1.ProfileService/"
_WALLETS = "/savepoint.profile.v1.WalletService/"
_REQUESTS = 5000
WRITES_SQL = "AdjustCoins"  # the one of them whose every call takes a connection to PostgreSQL


def empty() -> Operation:
    """A call that does nothing: the service's health, which it answers from memory."""
    expect = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
    request = Request(HealthCheckRequest().SerializeToString(), expect)
    return Operation("empty", "/grpc.health.v1.Health/Check", [request])


def submit_score(seed: Seed, marked: bool = False) -> Operation:
    """A new score for an entry. `marked`: with metadata of this one call, which its answer repeats."""
    requests = []
    for entry_id in _some(seed.entry_ids):
        score = random.randrange(1_000_000)
        # The answer begins with both of them, in this order.
        expect = leaderboard_pb2.Entry(entry_id=entry_id, score=score).SerializeToString()
        metadata = None
        if marked:
            metadata = Struct()
            metadata["call"] = ANY_UUID
            expect = ANY_UUID.encode()
        request = leaderboard_pb2.SubmitScoreRequest(
            submission=leaderboard_pb2.ScoreSubmission(
                leaderboard_id=seed.leaderboard_id, entry_id=entry_id, score=score, metadata=metadata
            )
        )
        requests.append(Request(request.SerializeToString(), expect))
    return Operation("SubmitScore", _BOARDS + "SubmitScore", requests)


def get_entry(seed: Seed) -> Operation:
    """An entry and its rank."""
    requests = [
        Request(
            leaderboard_pb2.GetEntryRequest(leaderboard_id=seed.leaderboard_id, entry_id=entry_id).SerializeToString(),
            entry_id.encode(),
        )
        for entry_id in _some(seed.entry_ids)
    ]
    return Operation("GetEntry", _BOARDS + "GetEntry", requests)


def list_around(seed: Seed) -> Operation:
    """An entry and its five neighbours on each side."""
    requests = [
        Request(
            leaderboard_pb2.ListAroundRequest(
                leaderboard_id=seed.leaderboard_id, entry_id=entry_id, range=5
            ).SerializeToString(),
            entry_id.encode(),
        )
        for entry_id in _some(seed.entry_ids)
    ]
    return Operation("ListAround(5)", _BOARDS + "ListAround", requests)


def get_player(seed: Seed) -> Operation:
    """A player that is in the cache."""
    requests = [
        Request(profile_pb2.GetPlayerRequest(player_id=player_id).SerializeToString(), player_id.encode())
        for player_id in _some(seed.player_ids)
    ]
    return Operation("GetPlayer", _PROFILES + "GetPlayer", requests)


def adjust_coins(seed: Seed) -> Operation:
    """A coin more for a player, each call under a request id of its own, which the answer repeats."""
    requests = [
        Request(
            wallet_pb2.AdjustCoinsRequest(
                request_id=ANY_UUID, player_id=player_id, delta=1, reason="bench"
            ).SerializeToString(),
            ANY_UUID.encode(),
        )
        for player_id in _some(seed.player_ids)
    ]
    return Operation(WRITES_SQL, _WALLETS + "AdjustCoins", requests)


def grant_item(seed: Seed) -> Operation:
    """One potion more for a player, each call under a request id of its own."""
    requests = [
        Request(
            inventory_pb2.GrantItemRequest(
                request_id=ANY_UUID,
                grant=inventory_pb2.ItemGrant(player_id=player_id, item_type="bench", item_id="potion", quantity=1),
            ).SerializeToString(),
            player_id.encode(),
        )
        for player_id in _some(seed.player_ids)
    ]
    return Operation("GrantItem", _ITEMS + "GrantItem", requests)


def everything(seed: Seed) -> list[Operation]:
    """A mixture over all services, each answer marked as its call's own where it can be."""
    return [
        replace(submit_score(seed, marked=True), weight=3),
        replace(get_entry(seed), weight=2),
        replace(get_player(seed), weight=3),
        adjust_coins(seed),
        grant_item(seed),
    ]


def of_service(chosen: Sequence[Operation], name: str) -> list[Operation]:
    """Those of them that go to the service of this name."""
    return [operation for operation in chosen if operation.method.startswith(f"/savepoint.{name}.")]


def _some(ids: Sequence[str]) -> list[str]:
    # All of them before any a second time, so that callers who are at it together ask for different ones.
    rounds = [random.sample(ids, len(ids)) for _ in range(max(1, _REQUESTS // len(ids)))]
    return [each for one_round in rounds for each in one_round][:_REQUESTS]
