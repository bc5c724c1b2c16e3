"""Many operations at once, and the one that does nothing."""

from collections.abc import Sequence
from dataclasses import replace

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bench.generator.plan import Operation, Request
from bench.operations.boards import get_entry, submit_score
from bench.operations.items import grant_item
from bench.operations.players import get_player
from bench.operations.wallets import adjust_coins
from bench.seed import Seed

_MOST = 5000  # more are not needed to mix them well


def empty() -> Operation:
    """A call that does nothing: the service's health, which it answers from memory."""
    expect = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
    request = Request(HealthCheckRequest().SerializeToString(), expect)
    return Operation("empty", "/grpc.health.v1.Health/Check", [request])


def everything(seed: Seed) -> list[Operation]:
    """A mixture over all services, each answer marked as its call's own where it can be."""
    return [
        replace(submit_score(seed, _MOST, marked=True), weight=3),
        replace(get_entry(seed, _MOST), weight=2),
        replace(get_player(seed, _MOST), weight=3),
        adjust_coins(seed, _MOST),
        grant_item(seed, _MOST),
    ]


def of_service(chosen: Sequence[Operation], name: str) -> list[Operation]:
    """Those of them that go to the service of this name."""
    return [operation for operation in chosen if operation.method.startswith(f"/savepoint.{name}.")]
