"""What the new host promises to itself: frames sent by hand show what the libraries' clients would not do."""

import asyncio
import gc
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpunk
import pytest
import trustme
from grpc import aio
from httpunk import _httpunk as wire

from shared.contract.errors import NotFound
from shared.rpc.host import ConnectionRules, Tls
from shared.rpc.http2.connection import Connection
from shared.rpc.http2.context import Context
from shared.rpc.http2.request import StreamedRequest
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
    requests = [stream._request for stream in connection._streams if isinstance(stream._request, StreamedRequest)]
    messages = [message for request in requests for message in request._messages]
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


# How connections end. The client of `h2_client` does not survive GOAWAY: the library under it takes it for the end.


class Leaver:
    """A client that serves itself from one connection: it opens its windows wide, asks, and reads when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.ended = 0
        self.goaways = 0
        self._codec = wire.H2Codec("client")
        settings = self._codec.serialize_settings(initial_window_size=2**31 - 1)
        writer.write(wire.H2_PREFACE + settings + self._codec.serialize_window_update(0, 2**30))

    def open(self, stream_id: int, method: str) -> None:
        """Begins a call."""
        headers = httpunk.HeaderMap([("content-type", "application/grpc"), ("te", "trailers")])
        self.writer.write(
            self._codec.serialize_request_headers(
                stream_id, "POST", path(method), headers, scheme="http", authority="localhost"
            )
        )

    def give_up(self, stream_id: int) -> None:
        """Says all that a client may still say of a call that was not served."""
        self.writer.write(self._codec.serialize_data(stream_id, framed(b"too late")))
        self.writer.write(self._codec.serialize_window_update(stream_id, 100))
        self.writer.write(self._codec.serialize_rst_stream(stream_id, 8))

    def half_close(self, stream_id: int) -> None:
        """Ends a request."""
        self.writer.write(self._codec.serialize_data(stream_id, b"", True))

    def ask(self, stream_id: int, message: bytes) -> None:
        """Calls Unary."""
        self.open(stream_id, "Unary")
        self.writer.write(self._codec.serialize_data(stream_id, framed(message), True))

    async def read(self) -> None:
        """Reads to the end of the connection; answers each frame with one, as clients do that open windows."""
        while data := await self.reader.read(65536):
            for frame in self._codec.receive(data):
                if isinstance(frame, wire.H2FramePing) and not frame.ack:
                    self.writer.write(self._codec.serialize_ping_ack(frame.data))
                elif isinstance(frame, wire.H2FrameHeaders):
                    self.ended += frame.end_stream
                elif isinstance(frame, wire.H2FrameData):
                    self.writer.write(self._codec.serialize_window_update(0, max(1, frame.flow_controlled_len)))
                elif isinstance(frame, wire.H2FrameGoAway):
                    self.goaways += 1
        self.writer.close()


class Large(Echo):
    """Answers with as many bytes as it is asked for."""

    async def unary(self, request: bytes, context: Any) -> bytes:
        """Likewise."""
        return bytes(int(request))


@pytest.mark.parametrize("stops", [False, True], ids=["grows old", "stops"])
async def test_who_reads_late_gets_all_answers_though_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    monkeypatch.setattr("shared.rpc.http2.lifetime.GOAWAY_WITHIN_S", 0.2)
    rules = ConnectionRules(oldest_s=900 if stops else 0.2)
    async with echo_host("httpunk", servicer=Large(), rules=rules) as echo:
        host, _, port = echo.address.rpartition(":")
        client = Leaver(*await asyncio.open_connection(host, int(port)))
        # More than the kernels keep: the rest waits in the host.
        for stream_id in range(1, 81, 2):
            client.ask(stream_id, b"400000")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # its transport can
        await asyncio.sleep(0.3)
        stopping = asyncio.create_task(echo.host.drain(5)) if stops else None
        await asyncio.sleep(0.7)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.create_task(client.read())
        if stopping:
            await stopping
            await echo.host.stop()
        async with asyncio.timeout(10):
            await reading
        assert (client.ended, client.goaways) == (40, 2)


async def test_a_call_that_comes_too_late_costs_the_others_on_its_connection_nothing(echo: EchoHost) -> None:
    host, _, port = echo.address.rpartition(":")
    client = Leaver(*await asyncio.open_connection(host, int(port)))
    client.open(1, "Join")
    reading = asyncio.create_task(client.read())
    draining = asyncio.create_task(echo.host.drain(5))
    async with asyncio.timeout(3):
        while client.goaways < 2:
            await asyncio.sleep(0.01)
    client.open(3, "Chat")
    client.give_up(3)
    client.half_close(1)
    async with asyncio.timeout(3):
        await draining
        await reading
    assert (client.ended, client.goaways) == (1, 2)


async def test_a_client_that_has_not_heard_of_the_end_yet_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.rpc.http2.lifetime.LEAVE_WITHIN_S", 0.05)
    async with echo_host("httpunk") as echo:
        host, _, port = echo.address.rpartition(":")
        client = Leaver(*await asyncio.open_connection(host, int(port)))
        async with asyncio.timeout(3):
            while not echo.host.connections:
                await asyncio.sleep(0.01)
        draining = asyncio.create_task(echo.host.drain(5))
        # What the host says of its end is on its way all the while.
        await asyncio.sleep(0.5)
        client.ask(1, b"served")
        async with asyncio.timeout(3):
            await client.read()
            await draining
        assert (client.ended, client.goaways) == (1, 2)


async def test_a_client_that_is_gone_is_noticed_on_an_old_connection_too() -> None:
    rules = ConnectionRules(oldest_s=0.1, ping_every_s=0.3, ping_answer_s=0.3)
    async with echo_host("httpunk", rules=rules) as echo:
        host, _, port = echo.address.rpartition(":")
        client = Leaver(*await asyncio.open_connection(host, int(port)))
        client.open(1, "Chat")
        # It answers nothing ever after, and neither does its kernel say that it has gone.
        await asyncio.sleep(0.2)
        assert echo.running() == 1
        async with asyncio.timeout(3):
            while echo.running():
                await asyncio.sleep(0.01)
        client.writer.close()


def encrypted(directory: Path) -> tuple[Tls, ssl.SSLContext]:
    """A host's certificate, and what a client needs to trust it."""
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(own.cert_chain_pems[0].bytes())
    key.write_bytes(own.private_key_pem.bytes())
    encryption = ssl.create_default_context()
    authority.configure_trust(encryption)
    return Tls(certificate, key, None), encryption


async def test_a_client_whose_encryption_takes_its_time_is_told_of_a_stop_too(tmp_path: Path) -> None:
    tls, encryption = encrypted(tmp_path)
    async with echo_host("httpunk", tls=tls) as echo:
        slow = socket.create_connection(("127.0.0.1", int(echo.address.rpartition(":")[2])))
        slow.setblocking(False)
        await asyncio.sleep(0.1)
        await echo.host.drain(5)
        client = Leaver(*await asyncio.open_connection(sock=slow, ssl=encryption, server_hostname="localhost"))
        client.ask(1, b"served")
        async with asyncio.timeout(5):
            await client.read()
        assert (client.ended, client.goaways) == (1, 2)


async def test_a_client_that_never_ends_its_encryption_is_cut_off(tmp_path: Path) -> None:
    tls, encryption = encrypted(tmp_path)
    async with echo_host("httpunk", tls=tls) as echo:
        port = int(echo.address.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=encryption, server_hostname="localhost")
        # From now on it reads nothing, and so never learns that it should say goodbye.
        writer.transport.pause_reading()  # type: ignore[attr-defined] # missing in its types
        async with asyncio.timeout(3):
            while not echo.host.connections:
                await asyncio.sleep(0.01)
        connection = only_connection(echo)
        # The drain closes it, then the stop does, and at last it is aborted.
        connection.close()
        connection.close()
        connection.abort()
        async with asyncio.timeout(3):
            while echo.host.connections:
                await asyncio.sleep(0.01)
        writer.transport.abort()
