"""The limits that the protos state for programs, as buf.validate rules, are those that the services keep: what a rule
allows is taken, what it does not is FIELD_INVALID at that field's path; and what has no rule has no limit."""

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from tests.conftest import Players
from tests.fuzz import rpcs
from tests.fuzz.rpcs import Rpc
from tests.support.errors import Failure, failure_in, failure_of
from tests.support.limits import Case, cases, good
from tests.support.service import Service

AT_ONCE = 8

Channels = dict[str, aio.Channel]


@pytest.fixture(scope="module")
def channels(profile: Service, inventory: Service, leaderboard: Service, gamelog: Service) -> Channels:
    """Where the services of each package are."""
    return {
        "savepoint.profile.v1": profile.channel,
        "savepoint.inventory.v1": inventory.channel,
        "savepoint.match.v1": inventory.channel,
        "savepoint.leaderboard.v1": leaderboard.channel,
        "savepoint.gamelog.v1": gamelog.channel,
    }


@pytest.mark.parametrize("rpc", rpcs.unary(), ids=lambda rpc: rpc.path.rpartition(".")[2])
async def test_the_rules_are_the_services_own(rpc: Rpc, channels: Channels) -> None:
    channel = channels[rpc.service.rpartition(".")[0]]
    room = asyncio.Semaphore(AT_ONCE)

    async def tried(case: Case) -> str | None:
        async with room:
            return _disagreement(case, await _refused_field(channel, rpc, case.request))

    tries = [Case(f"{rpc.name} as it should be", good(rpc.request), "", kept=True), *cases(rpc)]
    disagreements = await asyncio.gather(*map(tried, tries))
    assert [found for found in disagreements if found] == []


async def test_of_a_player_only_what_the_mask_names_is_checked(profile: Service, players: Players) -> None:
    # So the rules of Player must not be applied to UpdatePlayerRequest as a whole: it is marked IGNORE_ALWAYS.
    [player_id] = await players(1)
    player = profile_pb2.Player(player_id=player_id, username="x" * 33, email="none", mmr=-1, level=2, xp=-1, coins=-1)
    request = profile_pb2.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=["level"]))
    answer = await ProfileServiceStub(profile.channel).UpdatePlayer(request)
    assert answer.player.level == 2


def _disagreement(case: Case, refused: str | None) -> str | None:
    wanted = None if case.kept else case.path
    if refused == wanted:
        return None
    rule = "the rules allow it" if case.kept else f"the rules of {case.path} do not allow it"
    service = "takes it" if refused is None else f"refuses {refused}"
    return f"{case.what}: {rule}, and the service {service}"


async def _refused_field(channel: aio.Channel, rpc: Rpc, request: Any) -> str | None:
    """The path that the call is refused for, alone or as a part of a batch; None for any answer but FIELD_INVALID."""
    call = channel.unary_unary(
        rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
    )
    try:
        answer = await call(request, timeout=20)
    except aio.AioRpcError as error:
        return _field(failure_of(error))
    failures = [failure_in(result.failure) for result in getattr(answer, "results", ()) if result.HasField("failure")]
    return next((field for field in map(_field, failures) if field is not None), None)


def _field(failure: Failure) -> str | None:
    assert failure.code not in (StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNAVAILABLE), failure
    return failure.field if (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID") else None
