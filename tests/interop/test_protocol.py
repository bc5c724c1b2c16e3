"""gRPC over HTTP/2, frame by frame, as its protocol document says it: what a server must take, and how it refuses.

Where the document asks for INTERNAL because the caller broke the protocol, the suite's rule is stronger: it is the
caller's mistake, so INVALID_ARGUMENT. What grpc.aio does otherwise is listed in differences.py.
"""

import base64
import fnmatch
import functools
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import h2.exceptions
import pytest
from google.rpc import status_pb2
from grpc import StatusCode

from tests.interop import status_details
from tests.interop.differences import DIFFERENCES
from tests.interop.h2_client import Answer, Connection, connect, framed, gzipped, request_headers
from tests.interop.protos.interop_pb2 import (
    BoolValue,
    EchoStatus,
    Empty,
    Payload,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingInputCallResponse,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
)
from tests.interop.running import InteropServer

EMPTY_CALL = "/grpc.testing.TestService/EmptyCall"
UNARY_CALL = "/grpc.testing.TestService/UnaryCall"
STREAMING_INPUT_CALL = "/grpc.testing.TestService/StreamingInputCall"
STREAMING_OUTPUT_CALL = "/grpc.testing.TestService/StreamingOutputCall"
FULL_DUPLEX_CALL = "/grpc.testing.TestService/FullDuplexCall"

EMPTY = framed(b"")
MESSAGE_LIMIT = 4 << 20
"""The interop server's limit for a request, gRPC's own default."""

AT_ONCE_S = 2
"""A bound for answers that wait for nothing; generous, since machines are busy."""


@pytest.fixture(autouse=True)
def differences(request: pytest.FixtureRequest, server: InteropServer) -> None:
    """Expects a test to fail on a host that is known to differ, so that the list stays true."""
    case = request.node.name.replace(f"[{server.host}]", "").replace(f"[{server.host}-", "[")
    difference = next((found for found in DIFFERENCES[server.host] if fnmatch.fnmatch(case, found.tests)), None)
    if difference is None:
        return
    if difference.left_out:
        pytest.skip(f"{server.host} {difference.instead}")
    request.applymarker(pytest.mark.xfail(reason=f"{server.host} {difference.instead}", strict=True))


@pytest.fixture
async def connection(server: InteropServer) -> AsyncIterator[Connection]:
    """A connection to the server, which lives after the test: no test here gives a reason to close it."""
    async with connect(server.address) as connected:
        yield connected
        await connected.ping()
        assert not connected.goaways


def expect(answer: Answer, code: StatusCode, text: str = "") -> None:
    seen = f"{answer.grpc_status} {answer.grpc_message!r}, {answer}"
    assert answer.http_status == 200, seen
    assert answer.grpc_status == code.value[0], seen
    assert text in answer.grpc_message, seen
    assert (answer.one("content-type") or "").startswith("application/grpc"), seen


def request_of(size: int) -> bytes:
    """A SimpleRequest with so many bytes of payload, which asks for 10 bytes."""
    return SimpleRequest(response_size=10, payload=Payload(body=bytes(size))).SerializeToString()


def expect_ten_bytes(answer: Answer) -> None:
    expect(answer, StatusCode.OK)
    (message,) = answer.messages()
    assert len(SimpleResponse.FromString(message.plain()).payload.body) == 10


def input_of(size: int) -> bytes:
    return StreamingInputCallRequest(payload=Payload(body=bytes(size))).SerializeToString()


def expect_sum(answer: Answer, size: int) -> None:
    expect(answer, StatusCode.OK)
    (message,) = answer.messages()
    assert StreamingInputCallResponse.FromString(message.plain()).aggregated_payload_size == size


async def expect_answers(connection: Connection) -> None:
    """A simple call on this connection is answered."""
    expect(await connection.call(request_headers(EMPTY_CALL), EMPTY), StatusCode.OK)


# --- the shape of an answer ---


async def test_an_answer_is_headers_data_and_trailers(connection: Connection) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL), EMPTY)
    assert not answer.trailers_only
    assert ("grpc-status", "0") in answer.trailers
    assert [name for name, _ in answer.headers if name.startswith("grpc-status")] == []
    assert bytes(answer.body) == EMPTY
    expect(answer, StatusCode.OK)


@pytest.mark.parametrize(
    "path",
    [
        *("/grpc.testing.TestService/NoSuchMethod", "/grpc.testing.UnimplementedService/UnimplementedCall"),
        *("/grpc.testing.TestService", "/", "//", "/grpc.testing.TestService/EmptyCall/more", "/%"),
    ],
)
async def test_an_unknown_method_is_answered_by_trailers_only(connection: Connection, path: str) -> None:
    answer = await connection.call(request_headers(path), EMPTY)
    expect(answer, StatusCode.UNIMPLEMENTED)
    assert answer.trailers_only
    assert answer.body == b""


async def test_an_unknown_method_is_answered_before_the_request_ends(connection: Connection) -> None:
    stream = await connection.open(request_headers("/grpc.testing.TestService/NoSuchMethod"))
    expect(await stream.answer(AT_ONCE_S), StatusCode.UNIMPLEMENTED)


async def test_a_status_comes_before_the_request_ends(connection: Connection) -> None:
    stream = await connection.open(request_headers(FULL_DUPLEX_CALL))
    request = StreamingOutputCallRequest(response_status=EchoStatus(code=9, message="enough"))
    await stream.send(framed(request.SerializeToString()))
    expect(await stream.answer(AT_ONCE_S), StatusCode.FAILED_PRECONDITION, "enough")


# --- what a request is ---


@pytest.mark.parametrize(
    "content_type", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"]
)
async def test_content_types_of_grpc(connection: Connection, content_type: str) -> None:
    expect(await connection.call(request_headers(EMPTY_CALL, content_type=content_type), EMPTY), StatusCode.OK)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "application/grpcx", "application/grpc-web", "", None]
)
async def test_other_content_types(connection: Connection, content_type: str | None) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL, content_type=content_type), EMPTY)
    assert answer.http_status == 415, answer


async def test_json_messages(connection: Connection) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL, content_type="application/grpc+json"), framed(b"{}"))
    assert answer.http_status == 415 or answer.grpc_status == StatusCode.UNIMPLEMENTED.value[0], answer


async def test_te_may_be_missing(connection: Connection) -> None:
    expect(await connection.call(request_headers(EMPTY_CALL, te=None), EMPTY), StatusCode.OK)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_post(connection: Connection, method: str) -> None:
    stream = await connection.open(request_headers(EMPTY_CALL, method=method), end=method == "GET")
    if method == "PUT":
        await stream.send(EMPTY, end=True)
    answer = await stream.answer()
    assert answer.http_status == 405 or answer.grpc_status not in (None, 0), answer


# --- messages and frames ---


async def test_a_message_in_frames_of_a_byte(connection: Connection) -> None:
    stream = await connection.open(request_headers(UNARY_CALL))
    await stream.send(framed(request_of(100)), end=True, frame_size=1)
    expect_ten_bytes(await stream.answer())


@pytest.mark.parametrize("cut", [1, 4, 5, 6])
async def test_a_message_cut_at_its_prefix(connection: Connection, cut: int) -> None:
    stream = await connection.open(request_headers(UNARY_CALL))
    data = framed(request_of(100))
    await stream.send(data[:cut])
    await connection.ping()
    await stream.send(data[cut:])
    await stream.half_close()
    expect_ten_bytes(await stream.answer())


async def test_several_messages_in_one_frame(connection: Connection) -> None:
    body = b"".join(framed(input_of(size)) for size in (1, 0, 20, 300))
    expect_sum(await connection.call(request_headers(STREAMING_INPUT_CALL), body), 321)


async def test_messages_across_frames(connection: Connection) -> None:
    stream = await connection.open(request_headers(STREAMING_INPUT_CALL))
    await stream.send(b"".join(framed(input_of(size)) for size in (1, 0, 20, 300)), end=True, frame_size=7)
    expect_sum(await stream.answer(), 321)


async def test_padding_and_empty_frames(connection: Connection) -> None:
    stream = await connection.open(request_headers(UNARY_CALL))
    data = framed(request_of(100))
    for piece in (data[:30], b"", data[30:], b""):
        connection.h2.send_data(stream.id, piece, pad_length=17)
    await connection.flush()
    await stream.half_close()
    expect_ten_bytes(await stream.answer())


async def test_headers_in_continuation_frames(connection: Connection) -> None:
    connection.h2.max_outbound_frame_size = 20
    stream = await connection.open(request_headers(UNARY_CALL))
    connection.h2.max_outbound_frame_size = 1 << 14
    await stream.send(framed(request_of(100)), end=True)
    expect_ten_bytes(await stream.answer())


async def test_messages_of_interleaved_streams(connection: Connection) -> None:
    streams = [await connection.open(request_headers(STREAMING_INPUT_CALL)) for _ in range(5)]
    data = framed(input_of(1000))
    for start in range(0, len(data), 100):
        for stream in streams:
            await stream.send(data[start : start + 100])
    for stream in reversed(streams):
        await stream.half_close()
        expect_sum(await stream.answer(), 1000)


async def test_a_message_near_the_limit(connection: Connection) -> None:
    answer = await connection.call(request_headers(UNARY_CALL), framed(request_of(MESSAGE_LIMIT - 100)))
    expect_ten_bytes(answer)


async def test_a_large_answer(connection: Connection) -> None:
    request = SimpleRequest(response_size=MESSAGE_LIMIT - 100).SerializeToString()
    answer = await connection.call(request_headers(UNARY_CALL), framed(request))
    expect(answer, StatusCode.OK)
    (message,) = answer.messages()
    assert len(SimpleResponse.FromString(message.payload).payload.body) == MESSAGE_LIMIT - 100


def _has_bytes(count: int, seen: Answer) -> bool:
    return len(seen.body) >= count


async def test_a_duplex_call_answers_each_message_as_it_comes(connection: Connection) -> None:
    stream = await connection.open(request_headers(FULL_DUPLEX_CALL))
    request = StreamingOutputCallRequest(response_parameters=[ResponseParameters(size=5)])
    answer = framed(StreamingOutputCallResponse(payload=Payload(body=bytes(5))).SerializeToString())
    for count in (1, 2, 3):
        await stream.send(framed(request.SerializeToString()))
        # The stream is open in both directions: the answer does not wait for its end.
        await stream.until(functools.partial(_has_bytes, count * len(answer)))
        assert bytes(stream.seen.body) == count * answer
        assert not stream.seen.ended
    await stream.half_close()
    expect(await stream.answer(), StatusCode.OK)


# --- requests that are not one ---


@pytest.mark.parametrize("path", [UNARY_CALL, EMPTY_CALL, STREAMING_OUTPUT_CALL])
@pytest.mark.parametrize("headers_end_it", [True, False], ids=["by-headers", "by-data"])
async def test_a_request_without_a_message(connection: Connection, path: str, headers_end_it: bool) -> None:
    stream = await connection.open(request_headers(path, grpc_timeout="60S"), end=headers_end_it)
    if not headers_end_it:
        await stream.half_close()
    expect(await stream.answer(AT_ONCE_S), StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("path", [UNARY_CALL, EMPTY_CALL, STREAMING_OUTPUT_CALL])
async def test_two_messages_where_one_is_due(connection: Connection, path: str) -> None:
    expect(await connection.call(request_headers(path), EMPTY + EMPTY), StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("path", [UNARY_CALL, STREAMING_INPUT_CALL])
@pytest.mark.parametrize("length", [1, 4, 5, 50])
async def test_a_request_that_ends_within_a_message(connection: Connection, path: str, length: int) -> None:
    answer = await connection.call(request_headers(path), framed(request_of(100))[:length], bound_s=AT_ONCE_S)
    expect(answer, StatusCode.INVALID_ARGUMENT)


async def test_a_flag_that_does_not_exist(connection: Connection) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL), b"\x02\x00\x00\x00\x00", bound_s=AT_ONCE_S)
    expect(answer, StatusCode.INVALID_ARGUMENT)


async def test_bytes_that_are_not_the_message(connection: Connection) -> None:
    answer = await connection.call(request_headers(UNARY_CALL), framed(b"\xff\xff\xff"))
    expect(answer, StatusCode.INVALID_ARGUMENT)


# --- limits ---


def expect_too_large(answer: Answer) -> None:
    """As gRPC says it, or as Savepoint says that a field of the request is invalid."""
    if answer.grpc_status != StatusCode.RESOURCE_EXHAUSTED.value[0]:
        expect(answer, StatusCode.INVALID_ARGUMENT, "bytes")


@pytest.mark.parametrize("length", [MESSAGE_LIMIT + 1, (1 << 32) - 1])
async def test_a_message_over_the_limit_is_refused_by_its_length(connection: Connection, length: int) -> None:
    other = await connection.open(request_headers(STREAMING_INPUT_CALL))
    stream = await connection.open(request_headers(UNARY_CALL))
    await stream.send(b"\x00" + length.to_bytes(4, "big") + bytes(1000))
    expect_too_large(await stream.answer(AT_ONCE_S))
    await other.send(framed(input_of(5)), end=True)
    expect_sum(await other.answer(), 5)


async def test_a_whole_message_over_the_limit(connection: Connection) -> None:
    stream = await connection.open(request_headers(UNARY_CALL))
    # The server may answer before it has all of it.
    await stream.send(framed(request_of(MESSAGE_LIMIT + 1)), end=True)
    expect_too_large(await stream.answer())
    await expect_answers(connection)


def long_headers(kilobytes: int) -> list[tuple[str, str]]:
    return request_headers(EMPTY_CALL, *((f"x-long-{number}", "v" * 1000) for number in range(kilobytes)))


@pytest.mark.parametrize("kilobytes", [20, 64])
async def test_headers_over_the_limit_cost_only_their_stream(connection: Connection, kilobytes: int) -> None:
    other = await connection.open(request_headers(STREAMING_INPUT_CALL))
    stream = await connection.open(long_headers(kilobytes))
    with suppress(h2.exceptions.StreamClosedError):
        await stream.send(EMPTY, end=True)
    answer = await stream.answer()
    assert answer.reset is not None or answer.http_status == 431 or answer.grpc_status not in (None, 0), answer
    await other.send(framed(input_of(5)), end=True)
    expect_sum(await other.answer(), 5)
    await expect_answers(connection)


async def test_a_megabyte_of_headers_costs_its_connection_at_most(server: InteropServer) -> None:
    async with connect(server.address) as healthy, connect(server.address) as greedy:
        other = await healthy.open(request_headers(STREAMING_INPUT_CALL))
        # h2's ProtocolError: the stream, or the connection, is closed already.
        with suppress(ConnectionError, h2.exceptions.ProtocolError):
            # A server that reads no further has no choice: unread headers would break its compression state.
            answer = await greedy.call(long_headers(1024), EMPTY)
            assert answer.grpc_status != 0, answer
        await other.send(framed(input_of(5)), end=True)
        expect_sum(await other.answer(), 5)
        await expect_answers(healthy)


# --- compression ---


async def test_a_compressed_request(connection: Connection) -> None:
    answer = await connection.call(request_headers(UNARY_CALL, grpc_encoding="gzip"), gzipped(request_of(1000)))
    expect_ten_bytes(answer)


async def test_a_stream_of_compressed_and_plain_messages(connection: Connection) -> None:
    body = gzipped(input_of(27182)) + framed(input_of(45904)) + gzipped(b"")
    expect_sum(await connection.call(request_headers(STREAMING_INPUT_CALL, grpc_encoding="gzip"), body), 73086)


async def test_the_encoding_identity(connection: Connection) -> None:
    expect(await connection.call(request_headers(EMPTY_CALL, grpc_encoding="identity"), EMPTY), StatusCode.OK)


async def test_an_unknown_encoding(connection: Connection) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL, grpc_encoding="br"), framed(b"x", compressed=True))
    expect(answer, StatusCode.UNIMPLEMENTED)
    accepted = [name.strip() for name in (answer.one("grpc-accept-encoding") or "").split(",")]
    assert "gzip" in accepted, answer


@pytest.mark.parametrize(
    "data",
    [b"no gzip", gzip.compress(request_of(1000))[:-9], gzip.compress(request_of(1000))[:-4] + b"1234"],
    ids=["text", "cut", "wrong-checksum"],
)
async def test_a_compressed_request_that_is_broken(connection: Connection, data: bytes) -> None:
    body = framed(data, compressed=True)
    answer = await connection.call(request_headers(UNARY_CALL, grpc_encoding="gzip"), body)
    expect(answer, StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("encoding", [None, "identity"])
async def test_a_compressed_request_that_does_not_say_how(connection: Connection, encoding: str | None) -> None:
    answer = await connection.call(request_headers(UNARY_CALL, grpc_encoding=encoding), gzipped(request_of(1000)))
    expect(answer, StatusCode.INVALID_ARGUMENT)


async def test_the_limit_is_for_what_a_message_unpacks_to(connection: Connection) -> None:
    answer = await connection.call(request_headers(UNARY_CALL, grpc_encoding="gzip"), gzipped(bytes(64 << 20)))
    expect_too_large(answer)


def asking(*, compressed: bool) -> bytes:
    return SimpleRequest(response_size=1000, response_compressed=BoolValue(value=compressed)).SerializeToString()


@pytest.mark.parametrize("compressed", [True, False])
async def test_an_answer_is_compressed_when_it_should_be(connection: Connection, compressed: bool) -> None:
    headers = request_headers(UNARY_CALL, grpc_accept_encoding="identity,deflate,gzip")
    answer = await connection.call(headers, framed(asking(compressed=compressed)))
    expect(answer, StatusCode.OK)
    (message,) = answer.messages()
    assert message.compressed == compressed
    assert answer.one("grpc-encoding") == ("gzip" if compressed else None) or not compressed
    assert len(SimpleResponse.FromString(message.plain()).payload.body) == 1000


async def test_an_answer_is_compressed_only_for_who_can_read_it(connection: Connection) -> None:
    answer = await connection.call(request_headers(UNARY_CALL), framed(asking(compressed=True)))
    expect(answer, StatusCode.OK)
    (message,) = answer.messages()
    assert not message.compressed
    assert len(SimpleResponse.FromString(message.payload).payload.body) == 1000


async def test_a_stream_of_compressed_and_plain_answers(connection: Connection) -> None:
    wanted = [
        ResponseParameters(size=31415, compressed=BoolValue(value=True)),
        ResponseParameters(size=92653, compressed=BoolValue(value=False)),
        ResponseParameters(size=10000, compressed=BoolValue(value=True)),
    ]
    request = StreamingOutputCallRequest(response_parameters=wanted).SerializeToString()
    headers = request_headers(STREAMING_OUTPUT_CALL, grpc_accept_encoding="gzip")
    answer = await connection.call(headers, framed(request))
    expect(answer, StatusCode.OK)
    assert [message.compressed for message in answer.messages()] == [True, False, True]
    sizes = [len(StreamingOutputCallResponse.FromString(message.plain()).payload.body) for message in answer.messages()]
    assert sizes == [31415, 92653, 10000]


# --- deadlines ---


@pytest.mark.parametrize("timeout", ["1H", "99999999H", "10M", "10S", "9000m", "9000000u", "99999999n", "00000010S"])
async def test_a_timeout_in_each_unit(connection: Connection, timeout: str) -> None:
    expect(await connection.call(request_headers(EMPTY_CALL, grpc_timeout=timeout), EMPTY), StatusCode.OK)


@pytest.mark.parametrize("timeout", ["1S", "100m", "100000u", "99999999n"])
async def test_a_timeout_that_passes(connection: Connection, timeout: str) -> None:
    request = StreamingOutputCallRequest(response_parameters=[ResponseParameters(size=1, interval_us=30_000_000)])
    started = time.monotonic()
    headers = request_headers(STREAMING_OUTPUT_CALL, grpc_timeout=timeout)
    answer = await connection.call(headers, framed(request.SerializeToString()))
    expect(answer, StatusCode.DEADLINE_EXCEEDED)
    # A host may keep a little of it, to answer before the caller gives up.
    assert time.monotonic() - started > 0.05


async def test_a_timeout_that_passes_before_the_request_is_whole(connection: Connection) -> None:
    stream = await connection.open(request_headers(UNARY_CALL, grpc_timeout="100m"))
    await stream.send(framed(request_of(100))[:50])
    expect(await stream.answer(), StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize(
    "timeout",
    ["banana", "", "S", "1", "1s", "1X", "123456789S", "-1S", "+1S", "1.5S", "1 S", "1_0S", "0x1S", "1Sm", "\xb2S"],
)
async def test_a_malformed_timeout(connection: Connection, timeout: str) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL, grpc_timeout=timeout), EMPTY)
    expect(answer, StatusCode.INVALID_ARGUMENT, "grpc-timeout")


# --- metadata ---


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def echoed(answer: Answer) -> list[bytes]:
    """The binary values that came back, with or without padding, apart or joined."""
    values = ",".join(answer.all("x-grpc-test-echo-trailing-bin")).split(",")
    return [base64.b64decode(value.strip() + "=" * (-len(value.strip()) % 4), validate=True) for value in values]


@pytest.mark.parametrize("value", [b"\xab", b"\xab\xab", b"\xab\xab\xab", b"", b"\x00,\xff\n", bytes(range(256))])
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "bare"])
async def test_binary_metadata(connection: Connection, value: bytes, padded: bool) -> None:
    text = encoded(value) if padded else encoded(value).rstrip("=")
    headers = request_headers(EMPTY_CALL, ("x-grpc-test-echo-trailing-bin", text))
    answer = await connection.call(headers, EMPTY)
    expect(answer, StatusCode.OK)
    assert echoed(answer) == [value]


async def test_repeated_binary_metadata(connection: Connection) -> None:
    name = "x-grpc-test-echo-trailing-bin"
    headers = request_headers(EMPTY_CALL, (name, encoded(b"one")), (name, encoded(b"two!")), (name, encoded(b"3")))
    answer = await connection.call(headers, EMPTY)
    expect(answer, StatusCode.OK)
    assert echoed(answer) == [b"one", b"two!", b"3"]


@pytest.mark.parametrize("separator", [",", ", "])
async def test_joined_binary_metadata(connection: Connection, separator: str) -> None:
    joined = separator.join((encoded(b"one"), encoded(b"two!"), encoded(b"3").rstrip("=")))
    answer = await connection.call(request_headers(EMPTY_CALL, ("x-grpc-test-echo-trailing-bin", joined)), EMPTY)
    expect(answer, StatusCode.OK)
    assert echoed(answer) == [b"one", b"two!", b"3"]


async def test_binary_metadata_that_is_not_base64(connection: Connection) -> None:
    answer = await connection.call(request_headers(EMPTY_CALL, ("x-grpc-test-echo-trailing-bin", "?!*")), EMPTY)
    expect(answer, StatusCode.INVALID_ARGUMENT)


async def test_text_metadata_stays_as_it_is(connection: Connection) -> None:
    name = "x-grpc-test-echo-initial"
    headers = request_headers(EMPTY_CALL, (name, "one, two;  three=%20"), (name, "again"))
    answer = await connection.call(headers, EMPTY)
    expect(answer, StatusCode.OK)
    assert [value for key, value in answer.headers if key == name] == ["one, two;  three=%20", "again"]


# --- statuses ---


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "100%",
        "%41",
        "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
        "ы" * 1000,
        "\x7f\x00",
    ],
    ids=["plain", "empty", "percent", "escape", "special", "long", "control"],
)
async def test_the_text_of_a_status(connection: Connection, text: str) -> None:
    request = SimpleRequest(response_status=EchoStatus(code=9, message=text))
    answer = await connection.call(request_headers(UNARY_CALL), framed(request.SerializeToString()))
    expect(answer, StatusCode.FAILED_PRECONDITION)
    assert answer.grpc_message == text
    # Only printable ASCII goes over the wire.
    assert all(" " <= character <= "~" for character in answer.one("grpc-message") or "")


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK], ids=lambda code: code.name)
async def test_every_status_code(connection: Connection, code: StatusCode) -> None:
    request = SimpleRequest(response_status=EchoStatus(code=code.value[0], message="as asked"))
    answer = await connection.call(request_headers(UNARY_CALL), framed(request.SerializeToString()))
    expect(answer, code, "as asked")


async def test_the_details_of_a_status(connection: Connection) -> None:
    answer = await connection.call(request_headers(status_details.PATH), framed(Empty().SerializeToString()))
    wanted = status_details.status()
    expect(answer, StatusCode.FAILED_PRECONDITION, wanted.message)
    text = answer.one("grpc-status-details-bin") or ""
    assert status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)) == wanted


# --- the connection ---


async def test_frames_and_settings_that_do_not_exist_are_ignored(connection: Connection) -> None:
    await connection.send_bytes(b"\x00\x00\x03\x55\x00\x00\x00\x00\x00abc")
    await connection.send_bytes(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x7f\x7f\x00\x00\x00\x01")
    await expect_answers(connection)


async def test_a_cancelled_stream_leaves_the_others_alone(connection: Connection) -> None:
    streams = [await connection.open(request_headers(FULL_DUPLEX_CALL)) for _ in range(20)]
    for stream in streams[::2]:
        await stream.cancel()
    for stream in streams[1::2]:
        await stream.half_close()
        expect(await stream.answer(), StatusCode.OK)
    await expect_answers(connection)
