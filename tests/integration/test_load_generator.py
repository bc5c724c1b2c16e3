"""The load generator claims what a server has counted, and knows a wrong answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio

from bench.generator import outcome
from bench.generator.plan import ANY_UUID, Operation, Plan, Request
from bench.generator.process import Generator, generate

METHOD = "/savepoint.test.Echo/Call"


class Echo(grpc.GenericRpcHandler):
    """Counts every call, by what it asks for and how its handler ended."""

    def __init__(self) -> None:
        self.address = ""
        self.begun: Counter[bytes] = Counter()
        self.cancelled = 0
        self.seen: Counter[bytes] = Counter()
        self._server: aio.Server = aio.server()

    async def start(self) -> None:
        self._server = aio.server()
        self._server.add_generic_rpc_handlers((self,))
        port = self._server.add_insecure_port(self.address or "127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)

    async def has_begun(self, calls: int) -> None:
        async with asyncio.timeout(10):
            while self.begun.total() < calls:
                await asyncio.sleep(0.01)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return grpc.unary_unary_rpc_method_handler(self.call)

    async def call(self, request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        kind = request.partition(b" ")[0]
        self.begun[kind] += 1
        self.seen[request] += 1
        try:
            if kind == b"refuse":
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "come back later: é")
            if kind == b"slow":
                await asyncio.sleep(5)
            if kind == b"soon":
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return b"" if kind == b"empty" else b"not yours" if kind == b"wrong" else request


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    handler = Echo()
    await handler.start()
    yield handler
    await handler.stop(0)


def operation(kind: str, weight: int = 1) -> Operation:
    body = f"{kind} {ANY_UUID}".encode()
    return Operation(kind, METHOD, [Request(body, b"" if kind == "empty" else body)], weight)


async def test_calls_claimed_are_calls_counted_by_status(echo: Echo) -> None:
    plan = Plan(
        echo.address,
        [operation("well", 3), operation("refuse"), operation("wrong"), operation("empty")],
        callers=16,
        connections=2,
        seconds=0.6,
        warm_s=0.1,
    )
    result = await generate(plan)
    assert {kind.encode(): sum(counts.values()) for kind, counts in result.ended.items()} == echo.begun
    assert [set(result.ended[name]) - {""} for name in ("well", "refuse", "wrong", "empty")] == [
        set(),
        {"RESOURCE_EXHAUSTED"},
        {outcome.WRONG_ANSWER},
        {outcome.WRONG_ANSWER},
    ]
    assert result.ended["refuse"][""] == result.ended["wrong"][""] == result.ended["empty"][""] == 0
    assert result.answered == echo.begun[b"well"] > 100
    assert max(echo.seen.values()) == 1, "two calls had the same id"
    # What was measured is a part of it, in proportion.
    measured = result.operations["well"].right
    assert 0 < measured.calls < result.answered
    assert measured.calls == pytest.approx(3 * result.operations["refuse"].failures["RESOURCE_EXHAUSTED"].calls, abs=48)
    assert sum(result.right_by_slice) == result.calls
    assert 0 < measured.p50_ms <= measured.p90_ms <= measured.p99_ms <= measured.max_ms
    assert result.operations["refuse"].samples == {"RESOURCE_EXHAUSTED": ["come back later: é"]}


async def test_so_many_calls_and_no_more(echo: Echo) -> None:
    result = await generate(Plan(echo.address, [operation("well")], callers=7, seconds=30, warm_s=0, calls=100))
    assert result.answered == echo.begun[b"well"] == 100
    assert result.seconds < 20
    assert {request.split(b" ")[1][:24] for request in echo.seen} == {result.id_prefix.encode()}


@pytest.mark.parametrize("size", [70_000, 700_000])
async def test_answers_of_many_frames_come_whole(echo: Echo, size: int) -> None:
    body = b"well " + bytes(size) + ANY_UUID.encode()
    large = Operation("large", METHOD, [Request(body, ANY_UUID.encode())], least_bytes=len(body))
    result = await generate(Plan(echo.address, [large], callers=8, connections=2, seconds=30, warm_s=0, calls=40))
    assert (result.answered, result.failed) == (40, {})


async def test_an_answer_that_is_cut_short_is_wrong(echo: Echo) -> None:
    short = Operation("well", METHOD, [Request(b"well", b"well")], least_bytes=5)
    result = await generate(Plan(echo.address, [short], callers=2, connections=1, seconds=30, warm_s=0, calls=10))
    assert (result.answered, result.failed) == (0, {outcome.WRONG_ANSWER: 10})


async def test_cancelled_calls_are_no_answers_and_no_failures(echo: Echo) -> None:
    plan = Plan(echo.address, [operation("soon")], callers=30, connections=2, seconds=1, warm_s=0.1, cancel_share=0.33)
    result = await generate(plan)
    assert result.failed == {}
    assert result.cancelled / (result.answered + result.cancelled) == pytest.approx(0.33, abs=0.05)
    # A call that was cancelled may have been answered at the same moment, or never have reached its handler.
    assert result.answered <= echo.begun[b"soon"] <= result.answered + result.cancelled
    assert echo.cancelled > 0.5 * result.cancelled


async def test_a_call_ends_with_its_deadline(echo: Echo) -> None:
    result = await generate(Plan(echo.address, [operation("slow")], callers=8, seconds=0.5, warm_s=0, deadline_s=0.2))
    calls = echo.begun[b"slow"]
    # Either side may be first to see that the time is over; both have counted the call.
    assert result.answered == 0
    assert set(result.failed) <= {outcome.DEADLINE, "DEADLINE_EXCEEDED"}
    assert sum(result.failed.values()) == calls >= 16


async def test_a_server_that_went_away_is_found_again(echo: Echo) -> None:
    generator = await Generator.start(Plan(echo.address, [operation("soon")], callers=8, seconds=30, warm_s=0))
    running = asyncio.create_task(generator.result())
    await echo.has_begun(1)
    await echo.stop(1)
    before = echo.begun.total()
    await echo.start()
    await echo.has_begun(before + 50)
    generator.stop()
    result = await running
    assert result.seconds < 20, "it did not stop when it was told to"
    # Those in flight had a second to end, and those that the server had not begun went out again. A call that reaches
    # grpc.aio's server in the instant of its stop, that server ends as CANCELLED, begun or not.
    assert set(result.failed) <= {outcome.CANNOT_CONNECT, "CANCELLED"}
    assert 0 <= echo.begun.total() - result.answered <= result.failed.get("CANCELLED", 0)
