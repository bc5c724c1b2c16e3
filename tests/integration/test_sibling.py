"""One service's way to another: what a call takes along, what comes back, and what is asked again."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from savepoint.profile.v1.wallet_pb2 import AdjustCoinsRequest

from shared.contract import errors
from shared.rpc import sibling
from shared.rpc.sibling import Sibling
from shared.telemetry import request_id
from shared.telemetry.traces import Traces
from shared.work import deadline
from tests.integration.test_telemetry import Collector
from tests.support.echo import SERVICE, Echo, echo_host, path, unary_unary

NO_TRACES = Traces("tests", "")


@asynccontextmanager
async def connected(traces: Traces = NO_TRACES, host: str = "httpunk") -> AsyncIterator[tuple[Sibling, Echo]]:
    """A client to a service on a real host, and the servicer behind it."""
    async with (
        echo_host(host) as echo,
        sibling.connect("echo", SERVICE, echo.address, None, None, traces) as client,
    ):
        yield client, echo.servicer


@pytest.fixture(scope="module")
async def connection() -> AsyncIterator[tuple[Sibling, Echo]]:
    """One for the tests that need none of their own."""
    async with connected() as pair:
        yield pair


@pytest.fixture
def client(connection: tuple[Sibling, Echo]) -> Sibling:
    """The client."""
    return connection[0]


@pytest.fixture
def servicer(connection: tuple[Sibling, Echo]) -> Echo:
    """The servicer behind it, as if nobody had called it."""
    servicer = connection[1]
    servicer.refusals, servicer.refuse_calls, servicer.cancelled = [], 0, 0
    return servicer


def refuse(client: Sibling) -> Any:
    """The method of that name, which can take a message that moves value."""
    return client.channel.unary_unary(path("Refuse"), request_serializer=AdjustCoinsRequest.SerializeToString)


async def told(client: Sibling) -> dict[str, Any]:
    """What the sibling was told beside the request."""
    answer = await client.read(unary_unary(client.channel, "Told"), b"")
    told: dict[str, Any] = json.loads(answer)
    return told


def refusals() -> list[errors.SavepointError]:
    """New ones each time: an error that has been raised knows its handler's frame, and would keep that call in memory
    for as long as the module."""
    return [
        errors.NotFound("PLAYER_NOT_FOUND", "no such player: é", player_id="7"),
        errors.AlreadyExists("USERNAME_TAKEN", "taken"),
        errors.PreconditionFailed("INSUFFICIENT_COINS", "too few", have=1, need=2),
        errors.EtagMismatch("17"),
        errors.RequestIdReused("01a20edb-7737-7dcf-abee-f04ed7a36201"),
        errors.Overloaded("too many at once"),
    ]


@pytest.mark.parametrize("host", ["httpunk", "grpc_aio"])
async def test_a_refusal_comes_back_as_what_it_is(host: str) -> None:
    async with connected(host=host) as (client, servicer):
        for refusal in refusals():
            servicer.refusals = [refusal]
            with pytest.raises(type(refusal)) as raised:
                await client.read(unary_unary(client.channel, "Refuse"), b"")
            assert vars(raised.value) == vars(refusal)
        assert servicer.refuse_calls == len(refusals()), "a refusal was asked for again"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        # We have sent what the sibling finds malformed: not the fault of our caller, who has passed our own checks.
        (lambda: errors.FieldInvalid("player_ids", "must be UUIDs"), "BUG"),
        (errors.Bug, "SERVICE_UNAVAILABLE"),
        (lambda: RuntimeError("unforeseen"), "SERVICE_UNAVAILABLE"),
    ],
)
async def test_a_failure_is_told_from_a_refusal(
    failure: Callable[[], Exception], reason: str, caplog: pytest.LogCaptureFixture, client: Sibling, servicer: Echo
) -> None:
    servicer.refusals = [failure()]
    with pytest.raises(errors.SavepointError) as raised:
        await client.read(unary_unary(client.channel, "Refuse"), b"")
    assert raised.value.reason == reason
    assert servicer.refuse_calls == 1
    assert [record for record in caplog.records if record.name == "savepoint.sibling"], "nobody hears of it"


async def test_a_method_that_the_sibling_does_not_have_is_its_own_fault(client: Sibling) -> None:
    with pytest.raises(errors.DependencyUnavailable) as raised:
        await client.read(unary_unary(client.channel, "NotYet"), b"")
    assert raised.value.metadata == {"service": "echo"}


@pytest.mark.parametrize("passing", [errors.Stopping, lambda: errors.StoreUnavailable("postgresql")])
async def test_a_read_is_asked_again_and_not_for_ever(
    passing: Callable[[], errors.SavepointError], client: Sibling, servicer: Echo
) -> None:
    servicer.refusals = [passing()]
    assert await client.read(unary_unary(client.channel, "Refuse"), b"again") == b"again"
    servicer.refusals = [passing() for _ in range(9)]
    with pytest.raises(errors.DependencyUnavailable) as raised:
        await client.read(unary_unary(client.channel, "Refuse"), b"")
    assert raised.value.metadata == {"service": "echo"}
    assert len(servicer.refusals) == 6


async def test_a_write_is_asked_again_only_under_a_request_id(client: Sibling, servicer: Echo) -> None:
    servicer.refusals = [errors.StoreUnavailable("postgresql")]
    with pytest.raises(errors.DependencyUnavailable):
        await client.write(refuse(client), AdjustCoinsRequest(delta=5))
    assert servicer.refuse_calls == 1
    servicer.refusals = [errors.StoreUnavailable("postgresql")]
    await client.write(refuse(client), AdjustCoinsRequest(delta=5, request_id=str(uuid.uuid4())))
    assert servicer.refuse_calls == 3


async def test_overloaded_after_a_broken_attempt_does_not_say_that_nothing_was_done(
    client: Sibling, servicer: Echo
) -> None:
    servicer.refusals = [errors.StoreUnavailable("postgresql"), errors.Overloaded("busy")]
    with pytest.raises(errors.DependencyUnavailable):
        await client.write(refuse(client), AdjustCoinsRequest(delta=5, request_id=str(uuid.uuid4())))


async def test_what_is_left_of_the_deadline_goes_along(client: Sibling, servicer: Echo) -> None:
    # A call without a deadline does not wait for ever. (gRPC rounds up what it sends.)
    assert 0 < (await told(client))["time_remaining"] <= 1.05 * sibling.CALL_BOUND_S
    with deadline.within(2):
        assert 0 < (await told(client))["time_remaining"] <= 1.05 * 2
    with deadline.within(0.2), pytest.raises(errors.DeadlineReached):
        await client.read(unary_unary(client.channel, "Sleep"), b"4")
    await asyncio.sleep(0.1)
    assert servicer.cancelled == 1, "the sibling goes on with what nobody waits for"
    with deadline.within(0), pytest.raises(errors.DeadlineReached):
        await client.read(unary_unary(client.channel, "Refuse"), b"")
    assert servicer.refuse_calls == 0


async def test_a_sibling_that_hangs_is_not_the_callers_deadline(
    monkeypatch: pytest.MonkeyPatch, client: Sibling
) -> None:
    monkeypatch.setattr(sibling, "CALL_BOUND_S", 0.2)
    with deadline.within(10), pytest.raises(errors.DependencyUnavailable):
        await client.read(unary_unary(client.channel, "Sleep"), b"4")


@pytest.mark.parametrize(
    ("came", "goes_on"),
    [
        ("4f6c-88/a", "4f6c-88/a"),
        # gRPC would refuse to send these, and the call would fail for them.
        ("two words", None),
        ("caf\xe9", None),
        ("x" * 500, None),
    ],
)
async def test_the_x_request_id_goes_along(came: str, goes_on: str | None, client: Sibling) -> None:
    call = request_id.start(lambda: [("user-agent", "tests"), ("x-request-id", came)])
    try:
        assert (await told(client)).get("x-request-id") == goes_on
    finally:
        request_id.end(call)
    assert "x-request-id" not in await told(client)


async def test_the_trace_goes_along() -> None:
    trace, server = "0af7651916cd43dd8448eb211c80319c", grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    traces = Traces("tests", f"http://127.0.0.1:{port}")
    async with connected(traces) as (client, _):
        with traces.call("a-call", {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}):
            assert (await told(client))["traceparent"].split("-")[1] == trace
    await asyncio.to_thread(traces.close)
    await asyncio.to_thread(server.stop(1).wait, 5)
