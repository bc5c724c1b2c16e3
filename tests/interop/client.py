"""The official interop cases with grpcio's client: `python -m tests.interop.client ADDRESS [--case NAME]`.

Prints a line for each case, exits 1 when one failed. The names and the procedures are those of
doc/interop-test-descriptions.md of the gRPC project. grpcio shows no message flags and compresses all messages of a
call or none: what that leaves open is checked in test_protocol.py.
"""

import argparse
import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc import StatusCode, aio

from tests.interop.protos.interop_pb2 import (
    BoolValue,
    EchoStatus,
    Empty,
    Payload,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
)
from tests.interop.protos.interop_pb2_grpc import TestServiceStub, UnimplementedServiceStub

if TYPE_CHECKING:
    from tests.interop.protos.interop_pb2_grpc import TestServiceAsyncStub

REQUEST_SIZE = 271828
RESPONSE_SIZE = 314159
STREAM_REQUEST_SIZES = (27182, 8, 1828, 45904)
STREAM_RESPONSE_SIZES = (31415, 9, 2653, 58979)
ECHO_INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
ECHO_TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"

_BOUND_S = 10
_GZIP = grpc.Compression.Gzip


@dataclass(frozen=True)
class Server:
    """The server under test, and a connection to it."""

    address: str
    channel: aio.Channel

    @property
    def stub(self) -> "TestServiceAsyncStub":
        """The test service."""
        return TestServiceStub(self.channel)


async def empty_unary(server: Server) -> None:
    assert await server.stub.EmptyCall(Empty(), timeout=_BOUND_S) == Empty()


async def large_unary(server: Server) -> None:
    answer = await server.stub.UnaryCall(_large_request(), timeout=_BOUND_S)
    _expect_payload(answer, RESPONSE_SIZE)


async def client_streaming(server: Server) -> None:
    requests = [StreamingInputCallRequest(payload=_zeros(size)) for size in STREAM_REQUEST_SIZES]
    answer = await server.stub.StreamingInputCall(_each(requests), timeout=_BOUND_S)
    assert answer.aggregated_payload_size == sum(STREAM_REQUEST_SIZES), answer


async def server_streaming(server: Server) -> None:
    wanted = [ResponseParameters(size=size) for size in STREAM_RESPONSE_SIZES]
    request = StreamingOutputCallRequest(response_parameters=wanted)
    call = server.stub.StreamingOutputCall(request, timeout=_BOUND_S)
    await _expect_payloads(call, STREAM_RESPONSE_SIZES)


async def ping_pong(server: Server) -> None:
    call = server.stub.FullDuplexCall(timeout=_BOUND_S)
    for request_size, response_size in zip(STREAM_REQUEST_SIZES, STREAM_RESPONSE_SIZES, strict=True):
        await call.write(_stream_request(request_size, response_size))
        _expect_payload(await call.read(), response_size)
    await call.done_writing()
    assert await call.read() == aio.EOF
    await _expect_status(call, StatusCode.OK)


async def empty_stream(server: Server) -> None:
    call = server.stub.FullDuplexCall(timeout=_BOUND_S)
    await call.done_writing()
    assert await call.read() == aio.EOF
    await _expect_status(call, StatusCode.OK)


async def cancel_after_begin(server: Server) -> None:
    call = server.stub.StreamingInputCall(timeout=_BOUND_S)
    # Leaves the loop once, so that the call begins.
    await asyncio.sleep(0.01)
    call.cancel()
    await _expect_status(call, StatusCode.CANCELLED)


async def cancel_after_first_response(server: Server) -> None:
    call = server.stub.FullDuplexCall(timeout=_BOUND_S)
    await call.write(_stream_request(STREAM_REQUEST_SIZES[0], STREAM_RESPONSE_SIZES[0]))
    _expect_payload(await call.read(), STREAM_RESPONSE_SIZES[0])
    call.cancel()
    await _expect_status(call, StatusCode.CANCELLED)


async def timeout_on_sleeping_server(server: Server) -> None:
    # Not by grpc.aio: a server may give such a short call up at once, and grpc.aio's client makes INTERNAL of a status
    # that comes while it writes.
    code = await asyncio.to_thread(_code_of_short_call, server.address)
    assert code == StatusCode.DEADLINE_EXCEEDED, code


def _code_of_short_call(address: str) -> StatusCode:
    ended = threading.Event()

    def requests() -> Iterator[StreamingOutputCallRequest]:
        yield StreamingOutputCallRequest(payload=_zeros(STREAM_REQUEST_SIZES[0]))
        # An end of the requests would be answered by OK.
        ended.wait(_BOUND_S)

    with grpc.insecure_channel(address) as channel:
        call = TestServiceStub(channel).FullDuplexCall(requests(), timeout=0.001)
        try:
            next(call, None)
        except grpc.RpcError:
            pass  # The code says it too.
        finally:
            ended.set()
        code: StatusCode = call.code()
        return code


async def custom_metadata(server: Server) -> None:
    stub = server.stub
    metadata = (ECHO_INITIAL, ECHO_TRAILING)
    unary = stub.UnaryCall(_large_request(), timeout=_BOUND_S, metadata=metadata)
    _expect_payload(await unary, RESPONSE_SIZE)
    duplex = stub.FullDuplexCall(timeout=_BOUND_S, metadata=metadata)
    await duplex.write(_stream_request(REQUEST_SIZE, RESPONSE_SIZE))
    await duplex.done_writing()
    await _expect_payloads(duplex, (RESPONSE_SIZE,))
    for call in (unary, duplex):
        assert ECHO_INITIAL in tuple(await call.initial_metadata()), await call.initial_metadata()
        assert ECHO_TRAILING in tuple(await call.trailing_metadata()), await call.trailing_metadata()


async def status_code_and_message(server: Server) -> None:
    stub = server.stub
    status = EchoStatus(code=2, message="test status message")
    unary = stub.UnaryCall(SimpleRequest(response_status=status), timeout=_BOUND_S)
    await _expect_status(unary, StatusCode.UNKNOWN, status.message)
    duplex = stub.FullDuplexCall(timeout=_BOUND_S)
    await duplex.write(StreamingOutputCallRequest(response_status=status))
    await duplex.done_writing()
    await _expect_status(duplex, StatusCode.UNKNOWN, status.message)


async def special_status_message(server: Server) -> None:
    request = SimpleRequest(response_status=EchoStatus(code=2, message=SPECIAL_MESSAGE))
    await _expect_status(server.stub.UnaryCall(request, timeout=_BOUND_S), StatusCode.UNKNOWN, SPECIAL_MESSAGE)


async def unimplemented_method(server: Server) -> None:
    call = server.stub.UnimplementedCall(Empty(), timeout=_BOUND_S)
    await _expect_status(call, StatusCode.UNIMPLEMENTED)


async def unimplemented_service(server: Server) -> None:
    call = UnimplementedServiceStub(server.channel).UnimplementedCall(Empty(), timeout=_BOUND_S)
    await _expect_status(call, StatusCode.UNIMPLEMENTED)


async def client_compressed_unary(server: Server) -> None:
    stub = server.stub
    request = _large_request(expect_compressed=BoolValue(value=True))
    _expect_payload(await stub.UnaryCall(request, timeout=_BOUND_S, compression=_GZIP), RESPONSE_SIZE)
    request = _large_request(expect_compressed=BoolValue(value=False))
    _expect_payload(await stub.UnaryCall(request, timeout=_BOUND_S), RESPONSE_SIZE)


async def client_compressed_unary_probe(server: Server) -> None:
    request = _large_request(expect_compressed=BoolValue(value=True))
    await _expect_status(server.stub.UnaryCall(request, timeout=_BOUND_S), StatusCode.INVALID_ARGUMENT)


async def server_compressed_unary(server: Server) -> None:
    for compressed in (True, False):
        request = _large_request(response_compressed=BoolValue(value=compressed))
        _expect_payload(await server.stub.UnaryCall(request, timeout=_BOUND_S), RESPONSE_SIZE)


async def client_compressed_streaming(server: Server) -> None:
    sizes = (27182, 45904)
    requests = [
        StreamingInputCallRequest(payload=_zeros(size), expect_compressed=BoolValue(value=True)) for size in sizes
    ]
    call = server.stub.StreamingInputCall(_each(requests), timeout=_BOUND_S, compression=_GZIP)
    assert (await call).aggregated_payload_size == sum(sizes)


async def client_compressed_streaming_probe(server: Server) -> None:
    request = StreamingInputCallRequest(payload=_zeros(27182), expect_compressed=BoolValue(value=True))
    call = server.stub.StreamingInputCall(_each([request]), timeout=_BOUND_S)
    await _expect_status(call, StatusCode.INVALID_ARGUMENT)


async def server_compressed_streaming(server: Server) -> None:
    wanted = [
        ResponseParameters(size=31415, compressed=BoolValue(value=True)),
        ResponseParameters(size=92653, compressed=BoolValue(value=False)),
    ]
    request = StreamingOutputCallRequest(response_parameters=wanted)
    call = server.stub.StreamingOutputCall(request, timeout=_BOUND_S)
    await _expect_payloads(call, (31415, 92653))


Case = Callable[[Server], Awaitable[None]]

CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_streaming,
        server_streaming,
        ping_pong,
        empty_stream,
        cancel_after_begin,
        cancel_after_first_response,
        timeout_on_sleeping_server,
        custom_metadata,
        status_code_and_message,
        special_status_message,
        unimplemented_method,
        unimplemented_service,
        client_compressed_unary,
        server_compressed_unary,
        client_compressed_streaming,
        server_compressed_streaming,
    )
}

PROBES: dict[str, Case] = {
    # The first step of the two cases, apart: only a host that shows the encoding of a request can pass it.
    "client_compressed_unary_probe": client_compressed_unary_probe,
    "client_compressed_streaming_probe": client_compressed_streaming_probe,
}


def _zeros(size: int) -> Payload:
    return Payload(body=bytes(size))


def _large_request(
    expect_compressed: BoolValue | None = None, response_compressed: BoolValue | None = None
) -> SimpleRequest:
    return SimpleRequest(
        response_size=RESPONSE_SIZE,
        payload=_zeros(REQUEST_SIZE),
        expect_compressed=expect_compressed,
        response_compressed=response_compressed,
    )


def _stream_request(request_size: int, response_size: int) -> StreamingOutputCallRequest:
    return StreamingOutputCallRequest(
        response_parameters=[ResponseParameters(size=response_size)], payload=_zeros(request_size)
    )


async def _each(items: Iterable[StreamingInputCallRequest]) -> AsyncIterator[StreamingInputCallRequest]:
    for item in items:
        yield item


def _expect_payload(answer: object, size: int) -> None:
    assert isinstance(answer, SimpleResponse | StreamingOutputCallResponse), f"no message, but {answer!r}"
    assert answer.payload.body == bytes(size), f"{len(answer.payload.body)} bytes instead of {size} zeros"


async def _expect_payloads(call: Any, sizes: Iterable[int]) -> None:
    for size in sizes:
        _expect_payload(await call.read(), size)
    assert await call.read() == aio.EOF, "a message too many"
    await _expect_status(call, StatusCode.OK)


async def _expect_status(call: Any, code: StatusCode, message: str | None = None) -> None:
    assert await call.code() == code, f"{await call.code()}: {await call.details()}"
    assert message is None or await call.details() == message, repr(await call.details())


async def run(address: str, names: Iterable[str]) -> bool:
    """Runs cases, each on a connection of its own; whether all passed."""
    passed = True
    for name in names:
        try:
            async with aio.insecure_channel(address) as channel, asyncio.timeout(2 * _BOUND_S):
                await (CASES | PROBES)[name](Server(address, channel))
        except (AssertionError, grpc.RpcError, TimeoutError) as error:
            print(f"FAIL {name}: {type(error).__name__} {error}")
            passed = False
        else:
            print(f"ok {name}")
    return passed


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.client", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--case", choices=["all", *CASES, *PROBES], default="all")
    arguments = parser.parse_args()
    names = CASES if arguments.case == "all" else [arguments.case]
    sys.exit(0 if asyncio.run(run(arguments.address, names)) else 1)


if __name__ == "__main__":
    main()
