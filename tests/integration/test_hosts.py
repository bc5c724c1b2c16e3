"""What a host promises, on both of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc import aio

from shared.rpc.host import CannotListenError, ConnectionRules, Tls
from shared.rpc.hosts import HOSTS
from tests.support.echo import EchoHost, echo_host, stream_stream, stream_unary, unary_stream, unary_unary
from tests.support.errors import failure, failure_of

BOTH = sorted(HOSTS)


@pytest.fixture(params=BOTH)
async def echo(request: pytest.FixtureRequest) -> AsyncIterator[EchoHost]:
    async with echo_host(request.param) as running:
        yield running


@pytest.fixture
async def channel(echo: EchoHost) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(echo.address) as opened:
        yield opened


async def comes_true(condition: Any, within_s: float = 3.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def some(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# The four kinds of method.


@pytest.mark.parametrize("size", [0, 1, 5, 16_384, 1_000_000, 4 * 1024 * 1024 - 100])
async def test_a_message_of_any_size_comes_back_whole(channel: aio.Channel, size: int) -> None:
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await unary_unary(channel, "Unary")(message, timeout=10) == message


async def test_streams_keep_their_order_and_their_ends(channel: aio.Channel) -> None:
    assert [answer async for answer in unary_stream(channel, "Split")(b"abc", timeout=5)] == [b"a", b"b", b"c"]
    assert [answer async for answer in unary_stream(channel, "Split")(b"", timeout=5)] == []
    parts = [b"a", b"", b"x" * 100_000, b"c"]
    assert await stream_unary(channel, "Join")(some(parts), timeout=5) == b"".join(parts)
    assert await stream_unary(channel, "Join")(some([]), timeout=5) == b""
    assert [answer async for answer in stream_stream(channel, "Chat")(some(parts), timeout=5)] == parts


async def test_a_conversation_goes_to_and_fro(channel: aio.Channel) -> None:
    call = stream_stream(channel, "Chat")(timeout=5)
    for word in (b"ping", b"", b"pong"):
        await call.write(word)
        assert await call.read() == word
    await call.done_writing()
    assert await call.read() == aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_metadata_goes_both_ways(channel: aio.Channel) -> None:
    sent = (("x-text", "plain"), ("x-twice", "1"), ("x-twice", "2"), ("x-bytes-bin", bytes(range(256))), ("x-bin", b""))
    call = unary_unary(channel, "Metadata")(b"", metadata=sent, timeout=5)
    assert (await call).startswith(b"ipv4:127.0.0.1:")
    for received in (await call.initial_metadata(), await call.trailing_metadata()):
        assert [pair for pair in received if pair[0].startswith("x-")] == list(sent)


@pytest.mark.parametrize("text", ["", "plain", "100 % of it", "é ✓ \U0001f600", "line\nbreak\ttab", "x" * 1500])
async def test_a_servicer_ends_its_call_with_any_text(channel: aio.Channel, text: str) -> None:
    with pytest.raises(aio.AioRpcError) as raised:
        await unary_unary(channel, "Fail")(text.encode(), timeout=5)
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.DATA_LOSS, text)
    assert ("x-why", "because") in list(raised.value.trailing_metadata())


async def test_a_method_that_is_not_there_is_unimplemented(channel: aio.Channel) -> None:
    for name in ("Nonsense", "/nonsense.Service/Unary", "/nonsense"):
        assert (await failure(unary_unary(channel, name)(b"", timeout=5))).code is grpc.StatusCode.UNIMPLEMENTED


# Who gives up, and what becomes of the handler.


async def test_a_deadline_ends_the_handler_with_a_reason(echo: EchoHost, channel: aio.Channel) -> None:
    failed = await failure(unary_unary(channel, "Sleep")(b"30", timeout=0.3))
    assert failed.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await comes_true(lambda: echo.servicer.cancelled == 1 and echo.running() == 0)


async def test_a_caller_who_cancels_ends_the_handler_at_once(echo: EchoHost, channel: aio.Channel) -> None:
    calls = [unary_unary(channel, "Sleep")(b"30") for _ in range(50)]
    chat = stream_stream(channel, "Chat")()
    await chat.write(b"hello")
    assert await chat.read() == b"hello"
    await comes_true(lambda: echo.running() == 51)
    for call in (*calls, chat):
        call.cancel()
    await comes_true(lambda: echo.running() == 0, within_s=1)
    assert echo.servicer.cancelled == 50
    assert await unary_unary(channel, "Unary")(b"still here", timeout=5) == b"still here"


async def test_a_client_that_vanishes_ends_its_handlers(echo: EchoHost) -> None:
    async with aio.insecure_channel(echo.address, options=[("grpc.use_local_subchannel_pool", 1)]) as other:
        calls = [unary_unary(other, "Sleep")(b"30") for _ in range(20)]
        await comes_true(lambda: echo.running() == 20)
    await comes_true(lambda: echo.running() == 0, within_s=1)
    assert echo.servicer.cancelled == 20
    await asyncio.gather(*calls, return_exceptions=True)


# Who is slow.


async def test_a_slow_reader_stops_the_handler_that_writes(echo: EchoHost, channel: aio.Channel) -> None:
    call = unary_stream(channel, "Pour")(b"2000")
    assert await call.read() == bytes(65536)
    await asyncio.sleep(0.5)
    stopped_at = echo.servicer.produced
    await asyncio.sleep(0.3)
    # It waits for its reader with some megabytes under way, not with all of the 125.
    assert echo.servicer.produced == stopped_at < 500
    for _ in range(1999):
        assert await call.read() == bytes(65536)
    assert await call.read() == aio.EOF
    await comes_true(lambda: echo.running() == 0)


async def test_a_slow_handler_stops_the_caller_who_writes(echo: EchoHost, channel: aio.Channel) -> None:
    call = stream_unary(channel, "Sip")()
    sent = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while sent < 2000:
                await call.write(bytes(65536))
                sent += 1
    assert 0 < sent < 500
    assert echo.servicer.taken == 1
    call.cancel()
    await comes_true(lambda: echo.running() == 0)


async def test_uploads_that_are_given_up_leave_the_connection_its_room(echo: EchoHost, channel: aio.Channel) -> None:
    # Together they send many times what a connection may hold unread.
    for _ in range(150):
        call = stream_unary(channel, "Sip")()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await call.write(bytes(100_000))
                await call.write(bytes(100_000))
        call.cancel()
    await comes_true(lambda: echo.running() == 0)
    parts = [bytes(1_000_000)] * 4
    assert await stream_unary(channel, "Join")(some(parts), timeout=10) == b"".join(parts)


async def test_an_answer_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.rpc.http2.stream.LONGEST_WRITE_S", 0.5)
    async with echo_host("httpunk") as echo, aio.insecure_channel(echo.address) as channel:
        call = unary_stream(channel, "Pour")(b"2000")
        assert await call.read() == bytes(65536)
        await comes_true(lambda: echo.running() == 0)
        assert await unary_unary(channel, "Unary")(b"still here", timeout=5) == b"still here"
        call.cancel()


# How many calls there may be.


@pytest.mark.parametrize("name", BOTH)
async def test_more_calls_than_there_is_room_for_are_told_so_soon(name: str) -> None:
    async with echo_host(name, most_in_flight=4) as echo, aio.insecure_channel(echo.address) as channel:
        held = [asyncio.ensure_future(unary_unary(channel, "Sleep")(b"2")) for _ in range(4)]
        await comes_true(lambda: echo.running() == 4)
        others = await asyncio.gather(*(unary_unary(channel, "Unary")(b"") for _ in range(20)), return_exceptions=True)
        failures = [failure_of(other) for other in others if isinstance(other, aio.AioRpcError)]
        assert len(failures) == 20
        assert {(failed.code, failed.reason) for failed in failures} == {
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        }
        assert all(failed.retry_after_s for failed in failures)
        assert await asyncio.gather(*held) == [b"2"] * 4
        assert await unary_unary(channel, "Unary")(b"room again", timeout=5) == b"room again"


# How it starts and stops.


@pytest.mark.parametrize("name", BOTH)
async def test_a_taken_port_is_said_to_be_so(name: str) -> None:
    async with echo_host(name) as echo:
        with pytest.raises(CannotListenError, match=echo.address):
            async with echo_host(name) as other:
                await other.host.start(echo.address)


@pytest.mark.parametrize("name", BOTH)
async def test_a_stop_lets_calls_end_and_no_caller_waits_for_a_watch(name: str) -> None:
    async with echo_host(name) as echo, aio.insecure_channel(echo.address) as channel:
        slow = asyncio.ensure_future(unary_unary(channel, "Sleep")(b"0.5"))
        chat = stream_stream(channel, "Chat")()
        await chat.write(b"hello")
        assert await chat.read() == b"hello"
        await comes_true(lambda: echo.running() == 2)
        begun = asyncio.get_running_loop().time()
        await echo.host.drain(10)
        assert asyncio.get_running_loop().time() - begun < 5
        assert await slow == b"0.5"
        await echo.host.stop()
        assert echo.running() == 0
        chat.cancel()


async def test_no_call_is_lost_while_a_host_stops() -> None:
    """Many clients call all the time, and meet GOAWAY in every way there is."""
    served, failed = 0, []
    async with echo_host("httpunk") as echo:
        stopping = asyncio.Event()

        async def client() -> None:
            nonlocal served
            async with aio.insecure_channel(echo.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                unary = unary_unary(channel, "Unary")
                while not stopping.is_set():
                    try:
                        await unary(b"x", timeout=5)
                        served += 1
                    except aio.AioRpcError as error:
                        # Nobody listens any more: the call was never sent.
                        if "refused" not in (error.details() or "").lower():
                            failed.append(error)
                        return

        clients = [asyncio.create_task(client()) for _ in range(30)]
        await asyncio.sleep(0.5)
        await echo.host.drain(5)
        stopping.set()
        await asyncio.gather(*clients)
    assert served > 100
    assert failed == []


# How long connections live.


@pytest.mark.parametrize("name", BOTH)
async def test_a_connection_that_has_grown_old_is_replaced_and_no_call_is_lost(name: str) -> None:
    async with (
        echo_host(name, rules=ConnectionRules(oldest_s=0.4)) as echo,
        aio.insecure_channel(echo.address) as channel,
    ):
        peers: set[bytes] = set()
        until = asyncio.get_running_loop().time() + 2.5
        while asyncio.get_running_loop().time() < until:
            peers.add(await unary_unary(channel, "Metadata")(b"", timeout=5))
        assert len(peers) > 2


@pytest.mark.parametrize("name", BOTH)
async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(name: str) -> None:
    async with (
        echo_host(name, rules=ConnectionRules(idle_s=0.4)) as echo,
        aio.insecure_channel(echo.address) as channel,
    ):
        call = unary_unary(channel, "Metadata")
        first = await call(b"", timeout=5)
        await asyncio.sleep(0.1)
        assert await call(b"", timeout=5) == first
        assert await unary_unary(channel, "Sleep")(b"1", timeout=5) == b"1"
        assert await call(b"", timeout=5) == first
        await asyncio.sleep(1.5)
        assert channel.get_state() is not grpc.ChannelConnectivity.READY
        assert await call(b"", timeout=5) != first


async def test_a_client_that_answers_no_ping_is_taken_for_gone() -> None:
    async with echo_host("httpunk", rules=ConnectionRules(ping_every_s=0.3, ping_answer_s=0.3)) as echo:
        host, _, port = echo.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        # The preface and empty SETTINGS; and nothing ever after.
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        async with asyncio.timeout(3):
            assert b"savepnt!" in await reader.read()
        writer.close()
        # Who does answer stays.
        async with aio.insecure_channel(echo.address) as channel:
            first = await unary_unary(channel, "Metadata")(b"", timeout=5)
            await asyncio.sleep(1.5)
            assert await unary_unary(channel, "Metadata")(b"", timeout=5) == first


# Encryption.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_of(authority: trustme.CA, directory: Path, *, clients: bool) -> Tls:
    server = authority.issue_cert("localhost")
    certificate, key, ca = directory / "cert.pem", directory / "key.pem", directory / "ca.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    key.write_bytes(server.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    return Tls(certificate, key, ca if clients else None)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("clients", [False, True])
async def test_calls_are_encrypted_and_strangers_kept_out(
    name: str, clients: bool, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = tls_of(authority, tmp_path, clients=clients)
    own = authority.issue_cert("client.example.com")
    known = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
    )
    stranger = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with echo_host(name, tls=tls) as echo:
        target = f"localhost:{echo.address.rpartition(':')[2]}"
        for credentials, welcome in ((known, True), (stranger, not clients)):
            async with aio.secure_channel(target, credentials) as channel:
                call = unary_unary(channel, "Unary")(b"secret", timeout=3)
                if welcome:
                    assert await call == b"secret"
                else:
                    assert (await failure(call)).code is grpc.StatusCode.UNAVAILABLE
        async with aio.insecure_channel(target) as plain:
            assert (await failure(unary_unary(plain, "Unary")(b"", timeout=3))).code is grpc.StatusCode.UNAVAILABLE
