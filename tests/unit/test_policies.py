"""Each policy by itself, around a step of the test's own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode, aio

from shared.contract.errors import DeadlineReached, FieldInvalid, NotFound, Overloaded, SavepointError
from shared.rpc import policies
from shared.rpc.messages import LARGEST_REQUEST
from shared.rpc.policies import Call, Method, Policy, Step, admission
from shared.rpc.policies.admission import Admission
from shared.rpc.policies.deadlines import Deadlines
from shared.rpc.policies.failures import Failures
from shared.rpc.policies.identity import Identities
from shared.rpc.policies.parsing import Parsing
from shared.rpc.policies.telemetry import Measuring
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces
from shared.work import deadline

OURS = "/savepoint.test.v1.TestService/Do"
LIBRARYS = "/grpc.health.v1.Health/Check"


class Caller:
    """As much of a context as the policies ask for."""

    def __init__(self, remaining: float | None = None) -> None:
        self.remaining = remaining
        self.ended: tuple[StatusCode, str, Any] | None = None

    def time_remaining(self) -> float | None:
        return self.remaining

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "a-game-server/1.0"),)

    def peer(self) -> str:
        return "ipv4:10.0.0.7:51234"

    def code(self) -> StatusCode | None:
        return self.ended[0] if self.ended else None

    async def abort(self, code: StatusCode, details: str, trailers: Any = ()) -> None:
        self.ended = (code, details, trailers)
        raise aio.AbortError


def method(path: str = OURS, *, streams_requests: bool = False, streams_answers: bool = False) -> Method:
    async def never(request: Any, context: Any) -> bytes:
        raise AssertionError("these tests have a step of their own")

    service, _, name = path[1:].partition("/")
    return Method(path, service, name, never, StringValue.FromString, streams_requests, streams_answers)


def call(
    request: Any = b"", *, of: Method | None = None, remaining: float | None = None, context: Caller | None = None
) -> Call:
    return Call(of or method(), context or Caller(remaining), request)  # type: ignore[arg-type] # as much as is needed


async def echo(call: Call) -> bytes | None:
    return bytes(call.request) if isinstance(call.request, bytes) else str(call.request).encode()


def around(policy: Policy, step: Step, of: Method | None = None) -> Step:
    return policy.around(of or method(), step)


def raising(error: BaseException) -> Step:
    async def step(call: Call) -> bytes | None:
        raise error

    return step


# The list.


def test_the_order_is_the_documented_one() -> None:
    noted: list[str] = []

    class Noted(Policy):
        def __init__(self, name: str) -> None:
            self.name = name

        def around(self, method: Method, proceed: Step) -> Step:
            async def step(call: Call) -> bytes | None:
                noted.append(self.name)
                return await proceed(call)

            return step

    async def serve(request: Any, context: Any) -> StringValue:
        noted.append("servicer")
        return StringValue(value="done")

    handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(serve)
    way = policies.Policies([Noted("outer"), Noted("inner")]).way(Method.of(OURS, handler))
    assert asyncio.run(_answer(way)) == StringValue(value="done").SerializeToString()
    assert noted == ["outer", "inner", "servicer"]


async def _answer(way: Step) -> bytes | None:
    return await way(call())


# Admission.


async def held(step: Step, gate: asyncio.Event, calls: int) -> Sequence[asyncio.Future[bytes | None]]:
    tasks = [asyncio.ensure_future(step(call())) for _ in range(calls)]
    await asyncio.sleep(0)
    return tasks


def waiting_for(gate: asyncio.Event, begun: list[int]) -> Step:
    async def step(call: Call) -> bytes | None:
        begun.append(1)
        await gate.wait()
        return b"done"

    return step


async def test_admission_refuses_who_finds_no_room_within_a_moment() -> None:
    gate, begun = asyncio.Event(), list[int]()
    step = around(Admission(2), waiting_for(gate, begun))
    inside = await held(step, gate, 2)
    results = await asyncio.gather(*(step(call()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Overloaded] * 5
    assert len(begun) == 2
    gate.set()
    assert await asyncio.gather(*inside) == [b"done"] * 2
    assert await step(call()) == b"done"


async def test_admission_keeps_nothing_of_those_it_refused() -> None:
    gate, begun = asyncio.Event(), list[int]()
    policy = Admission(1)
    step = around(policy, waiting_for(gate, begun))
    await held(step, gate, 1)
    await asyncio.gather(*(step(call()) for _ in range(100)), return_exceptions=True)
    # The one that is in has not left, and may stay for seconds.
    assert not policy._line
    gate.set()


async def test_admission_lets_in_first_who_came_first() -> None:
    order: list[bytes] = []
    gate = asyncio.Event()

    async def noting(call: Call) -> bytes | None:
        await gate.wait()
        order.append(call.request)
        return call.request  # type: ignore[no-any-return]

    step = around(Admission(1), noting)
    tasks = []
    for name in (b"1", b"2", b"3"):
        tasks.append(asyncio.ensure_future(step(call(name))))
        await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*tasks) == [b"1", b"2", b"3"]
    assert order == [b"1", b"2", b"3"]


async def test_admission_loses_no_room_to_those_who_give_up_in_line() -> None:
    gate, begun = asyncio.Event(), list[int]()
    step = around(Admission(1), waiting_for(gate, begun))
    [inside] = await held(step, gate, 1)
    in_line = await held(step, gate, 3)
    # One gives up while it waits, one at the very moment at which it is let in.
    in_line[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.sleep(0)
    in_line[1].cancel()
    await asyncio.gather(inside, *in_line, return_exceptions=True)
    async with asyncio.timeout(1):
        assert await step(call()) == b"done"


def test_admission_never_keeps_a_health_check_waiting() -> None:
    assert around(Admission(1), echo, method(LIBRARYS)) is echo


def test_admission_says_no_well_within_a_caller_s_patience() -> None:
    assert admission.LONGEST_WAIT_S < 0.05


# Deadlines.


@pytest.mark.parametrize(
    ("remaining", "kept", "expected"), [(None, 10.0, 10.0), (5.0, 10.0, 4.98), (3600.0, 10.0, 30.0), (0.5, 10.0, 0.48)]
)
async def test_a_call_has_as_long_as_its_caller_waits(remaining: float | None, kept: float, expected: float) -> None:
    async def step(call: Call) -> bytes | None:
        assert deadline.remaining(1e9) == pytest.approx(expected, abs=0.01)
        return b""

    await around(Deadlines(kept), step)(call(remaining=remaining))


async def test_a_call_that_takes_longer_is_cancelled_and_says_why() -> None:
    cancelled = False

    async def step(call: Call) -> bytes | None:
        nonlocal cancelled
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled = True
            raise
        return None

    with pytest.raises(DeadlineReached):
        await around(Deadlines(0.05), step)(call())
    assert cancelled
    with pytest.raises(DeadlineReached):
        await around(Deadlines(10), echo)(call(remaining=0.01))


async def test_a_call_that_somebody_else_cancels_is_no_deadline() -> None:
    async def step(call: Call) -> bytes | None:
        await asyncio.sleep(10)
        return None

    task = asyncio.ensure_future(around(Deadlines(10), step)(call()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_ends_at_its_caller_s_deadline_only() -> None:
    watch = method(streams_answers=True)

    async def step(call: Call) -> bytes | None:
        await asyncio.sleep(0.1)
        return None

    assert await around(Deadlines(0.01), step, watch)(call(of=watch)) is None
    with pytest.raises(DeadlineReached):
        await around(Deadlines(0.01), step, watch)(call(of=watch, remaining=0.05))


# Parsing.


async def test_bytes_become_the_method_s_message() -> None:
    async def step(call: Call) -> bytes | None:
        return str(call.request.value).encode()

    assert await around(Parsing(), step)(call(StringValue(value="é").SerializeToString())) == "é".encode()


def sized(size: int) -> bytes:
    """A StringValue of `size` bytes, five of which are its tag and length (so they are for any of 2 to 256 MiB)."""
    raw = StringValue(value="x" * (size - 5)).SerializeToString()
    assert len(raw) == size
    return raw


async def test_a_request_may_have_the_largest_size() -> None:
    async def step(call: Call) -> bytes | None:
        return str(len(call.request.value)).encode()

    assert await around(Parsing(), step)(call(sized(LARGEST_REQUEST))) == str(LARGEST_REQUEST - 5).encode()


@pytest.mark.parametrize(
    "raw", [b"\xff\xff", sized(LARGEST_REQUEST + 1), FieldInvalid("request", "is what the host could not read")]
)
async def test_what_is_no_message_is_the_callers_fault(raw: bytes | SavepointError) -> None:
    with pytest.raises(FieldInvalid) as raised:
        await around(Parsing(), echo)(call(raw))
    assert raised.value.field == "request"
    streaming = method(streams_requests=True)
    with pytest.raises(FieldInvalid):
        await around(Parsing(), _consume, streaming)(call(raw if isinstance(raw, SavepointError) else _one(raw)))


async def _consume(call: Call) -> bytes | None:
    async for _ in call.request:
        pass
    return None


async def _one(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


# Failures.


async def test_a_domain_error_ends_the_call_with_its_status_and_details() -> None:
    caller = Caller()
    failed = call(context=caller)
    with pytest.raises(aio.AbortError):
        await around(Failures(), raising(NotFound("PLAYER_NOT_FOUND", "no such player")))(failed)
    assert caller.ended is not None
    assert caller.ended[:2] == (StatusCode.NOT_FOUND, "no such player")
    assert b"PLAYER_NOT_FOUND" in caller.ended[2][0][1]
    assert failed.code is StatusCode.NOT_FOUND


async def test_a_kind_of_error_that_is_new_is_answered_as_its_base() -> None:
    class GuildNotFound(NotFound):
        pass

    caller = Caller()
    with pytest.raises(aio.AbortError):
        await around(Failures(), raising(GuildNotFound("GUILD_NOT_FOUND", "no such guild")))(call(context=caller))
    assert caller.ended is not None
    assert caller.ended[0] is StatusCode.NOT_FOUND


async def test_any_other_exception_is_a_bug_that_only_the_log_tells_of(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller()
    with pytest.raises(aio.AbortError):
        await around(Failures(), raising(RuntimeError("the secret inside")))(call(context=caller))
    assert caller.ended is not None
    assert caller.ended[0] is StatusCode.INTERNAL
    assert "secret" not in str(caller.ended)
    assert "the secret inside" in caplog.text


@pytest.mark.parametrize("code", [StatusCode.UNIMPLEMENTED, StatusCode.UNIMPLEMENTED.value[0]])
async def test_a_method_that_a_servicer_leaves_out_is_unimplemented(
    code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller()
    # As the generated base class does, before it raises.
    caller.ended = (code, "", ())
    with pytest.raises(aio.AbortError):
        await around(Failures(), raising(NotImplementedError()))(call(context=caller))
    assert caller.ended[0] is StatusCode.UNIMPLEMENTED
    assert not caplog.records


async def test_what_is_not_implemented_deeper_down_is_a_bug() -> None:
    caller = Caller()
    with pytest.raises(aio.AbortError):
        await around(Failures(), raising(NotImplementedError()))(call(context=caller))
    assert caller.ended is not None
    assert caller.ended[0] is StatusCode.INTERNAL


async def test_a_cancellation_and_a_servicer_s_own_end_pass_as_they_are() -> None:
    for error in (asyncio.CancelledError(), aio.AbortError()):
        with pytest.raises(type(error)):
            await around(Failures(), raising(error))(call())


# Telemetry.


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics._registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (echo, "OK"),
        (raising(asyncio.CancelledError()), "CANCELLED"),
        (Failures().around(method(), raising(Overloaded("busy"))), "RESOURCE_EXHAUSTED"),
    ],
)
async def test_a_call_is_counted_by_how_it_ended(step: Step, status: str) -> None:
    metrics = Metrics()
    measured = around(Measuring(metrics, Traces("test", "")), step)
    await asyncio.gather(measured(call()), return_exceptions=True)
    labels = {"rpc_service": "savepoint.test.v1.TestService", "rpc_method": "Do", "rpc_grpc_status_code": status}
    assert sample(metrics, "rpc_server_duration_seconds_count", **labels) == 1
    assert sample(metrics, "rpc_server_handlers_running") == 0


async def test_a_running_call_is_seen_as_such() -> None:
    metrics, gate, begun = Metrics(), asyncio.Event(), list[int]()
    measured = around(Measuring(metrics, Traces("test", "")), waiting_for(gate, begun))
    tasks = await held(measured, gate, 3)
    assert sample(metrics, "rpc_server_handlers_running") == 3
    gate.set()
    await asyncio.gather(*tasks)
    assert sample(metrics, "rpc_server_handlers_running") == 0


# Identity.


async def test_the_log_can_tell_who_calls(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "savepoint.call"):
        await around(Identities(), echo)(call())
    [record] = caplog.records
    assert (record.peer, record.user_agent) == ("ipv4:10.0.0.7:51234", "a-game-server/1.0")  # type: ignore[attr-defined]
    assert around(Identities(), echo, method(LIBRARYS)) is echo
