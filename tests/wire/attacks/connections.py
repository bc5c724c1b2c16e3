"""Connections that say nothing, not enough, or something else than HTTP/2."""

import asyncio
from contextlib import AsyncExitStack

from tests.wire import frames
from tests.wire.connection import Answer, Connection, bare, call
from tests.wire.registry import attack
from tests.wire.target import Target

# A server that gives its peers more time than this to introduce themselves can be filled up with silent ones.
_PATIENCE_S = 90.0


async def _idle(target: Target, size: int, said: bytes) -> Answer:
    """Opens so many connections that say this and no more; if there are as many as in earnest, waits for their end."""
    async with AsyncExitStack() as stack:
        opened: list[Connection] = []
        for _ in range(size):
            connection = await stack.enter_async_context(bare(target))
            await connection.send(said)
            opened.append(connection)
        in_earnest = size >= 500
        waits = _PATIENCE_S if in_earnest else 0.1
        await asyncio.gather(*(_end_of(connection, waits) for connection in opened))
        still = f"open after {waits:g} s" if in_earnest else "open"
        return Answer("closed" if connection.closed else still for connection in opened)


async def _end_of(connection: Connection, bound_s: float) -> None:
    await connection.until(lambda: connection.closed, bound_s)


@attack(small=50, full=500)
async def connections_that_say_nothing(target: Target, size: int) -> Answer:
    """Not a byte."""
    return await _idle(target, size, b"")


@attack(small=50, full=500)
async def connections_with_half_a_preface(target: Target, size: int) -> Answer:
    """12 of its 24 bytes."""
    return await _idle(target, size, frames.PREFACE[:12])


@attack(small=50, full=500)
async def connections_with_half_a_frame(target: Target, size: int) -> Answer:
    """The preface, and a HEADERS frame that never ends."""
    return await _idle(target, size, frames.PREFACE + frames.settings({}) + frames.headers(1, bytes(100))[:50])


@attack(small=100, full=5_000)
async def connections_that_come_and_go(target: Target, size: int) -> Answer:
    """A connection, a call, and gone before the answer."""
    whole = frames.PREFACE + frames.settings({}) + call(1, "GetEntry", frames.message(target.get_entry))
    for _ in range(size):
        async with bare(target) as connection:
            await connection.send(whole)
    return Answer({"gone": size})


async def _other_protocol(target: Target, said: bytes) -> Answer:
    async with bare(target) as connection:
        await connection.send(said)
        await connection.until(lambda: connection.closed, 2)
        connection.seen["closed" if connection.closed else "open"] += 1
        return connection.seen


@attack()
async def http_1_requests(target: Target, size: int) -> Answer:
    """A GET and a POST of HTTP/1.1: answered or closed, cleanly."""
    get = b"GET / HTTP/1.1\r\nHost: wire\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: wire\r\nContent-Length: 5\r\n\r\nhello"
    return await _other_protocol(target, get) + await _other_protocol(target, post)


@attack()
async def an_upgrade_to_h2c(target: Target, size: int) -> Answer:
    """HTTP/1.1's Upgrade to HTTP/2, which RFC 9113 has done away with."""
    said = (
        b"GET / HTTP/1.1\r\nHost: wire\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    return await _other_protocol(target, said)


@attack()
async def a_tls_hello(target: Target, size: int) -> Answer:
    """The first bytes of TLS, at a port without TLS."""
    return await _other_protocol(target, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))


@attack()
async def a_peer_that_closes_its_side(target: Target, size: int) -> Answer:
    """A whole call, and then the end of what this side has to say."""
    async with bare(target) as connection:
        body = frames.message(target.get_entry)
        await connection.send(frames.PREFACE + frames.settings({}) + call(1, "GetEntry", body))
        connection.finish()
        await connection.until(lambda: connection.closed, 2)
        connection.seen["closed" if connection.closed else "open"] += 1
        return connection.seen
