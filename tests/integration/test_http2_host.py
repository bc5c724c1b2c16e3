"""What the new host promises to itself: frames sent by hand show what the libraries' clients would not do."""

import asyncio
import gc
import gzip
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

import pytest
from grpc import aio

from shared.errors import NotFound
from shared.rpc.http2.connection import Connection
from shared.rpc.http2.context import Context
from tests.interop.h2_client import connect, framed, gzipped, request_headers
from tests.support.echo import Echo, EchoHost, echo_host, path, stream_unary, unary_stream, unary_unary

MEGABYTE = 1_000_000


@pytest.fixture
async def echo() -> AsyncIterator[EchoHost]:
    async with echo_host("httpunk") as running:
        yield running


def only_connection(echo: EchoHost) -> Connection:
    (connection,) = echo.host._connections  # type: ignore[attr-defined] # what it holds is not seen from outside
    assert isinstance(connection, Connection)
    return connection


def held(connection: Connection) -> int:
    """Bytes of requests that wait for their handlers."""
    messages = [message for stream in connection._streams for message in stream._messages]
    return sum(len(message) for message in messages if isinstance(message, bytes))


# What is kept of requests that no handler has taken.


async def test_a_second_message_where_one_is_due_is_refused_when_it_comes(echo: EchoHost) -> None:
    async with connect(echo.address) as client:
        stream = await client.open(request_headers(path("Unary")))
        # The request is never ended.
        for _ in range(20):
            await stream.send(framed(bytes(MEGABYTE)))
        assert (await stream.answer(3)).grpc_status == 3


async def test_messages_that_are_whole_and_not_ended_count_as_well(
    echo: EchoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rpc.http2.connection.MOST_HELD", 5 * MEGABYTE)
    async with connect(echo.address) as client:
        for _ in range(10):
            stream = await client.open(request_headers(path("Unary")))
            await stream.send(framed(bytes(MEGABYTE)))
        refused = await stream.answer(3)
        assert (refused.grpc_status, only_connection(echo)._held) == (8, 5 * MEGABYTE)
        for other in client.streams.values():
            if not other.over:
                await other.cancel()
        await client.ping()
        assert only_connection(echo)._held == 0
        answer = await client.call(request_headers(path("Unary")), framed(bytes(MEGABYTE)))
        assert answer.grpc_status == 0


async def test_messages_that_a_slow_handler_has_not_taken_stay_compressed(echo: EchoHost) -> None:
    async with connect(echo.address) as client:
        stream = await client.open(request_headers(path("Sip"), ("grpc-encoding", "gzip")))
        await stream.send(gzipped(bytes(4 * MEGABYTE)) * 50)
        await client.ping()
        assert echo.servicer.taken == 1
        assert 49 * 3000 < held(only_connection(echo)) == only_connection(echo)._held < MEGABYTE


async def test_a_compressed_stream_is_read_to_its_first_fault(echo: EchoHost) -> None:
    async with connect(echo.address) as client:
        headers: Any = request_headers(path("Chat"), ("grpc-encoding", "gzip"))
        answer = await client.call(headers, gzipped(b"one") + gzipped(b"two") + framed(b"no gzip", compressed=True))
        assert [message.plain() for message in answer.messages()] == [b"one", b"two"]
        assert answer.grpc_status == 3
        broken = gzip.compress(b"three")[:-1]
        assert (await client.call(headers, framed(broken, compressed=True))).grpc_status == 3
        assert only_connection(echo)._held == 0


# What is left of a call.


class Refusing(Echo):
    """Refuses what is empty."""

    async def unary(self, request: bytes, context: Any) -> bytes:
        """Answers what was asked."""
        if not request:
            raise NotFound("NOTHING_HERE", "there is nothing here")
        return request


async def test_a_call_leaves_nothing_for_the_garbage_collector() -> None:
    """Large messages would stay in memory until it comes, which may be minutes."""

    async def ended(call: Awaitable[Any]) -> None:
        with suppress(aio.AioRpcError, asyncio.CancelledError):
            await call

    async with echo_host("httpunk", servicer=Refusing()) as echo, aio.insecure_channel(echo.address) as channel:
        gc.collect()
        gc.disable()
        try:
            await ended(unary_unary(channel, "Unary")(b"served"))
            await ended(unary_unary(channel, "Unary")(b""))
            await ended(unary_unary(channel, "Fail")(b"aborted"))
            await ended(unary_unary(channel, "Sleep")(b"30", timeout=0.1))
            cancelled: list[Any] = [unary_unary(channel, "Sleep")(b"30"), unary_stream(channel, "Pour")(b"1000")]
            cancelled.append(stream_unary(channel, "Sip")())
            await cancelled[-1].write(b"sip")
            await asyncio.sleep(0.2)
            for call in cancelled:
                call.cancel()
            async with asyncio.timeout(3):
                while echo.running():
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            assert [found for found in gc.get_objects() if type(found) is Context] == []
        finally:
            gc.enable()
