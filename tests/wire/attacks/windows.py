"""Peers that ask for much and do not take it: what waits for them must be bounded."""

import asyncio

from tests.wire import frames
from tests.wire.connection import Answer, Connection, call, connected
from tests.wire.registry import attack
from tests.wire.target import LARGE_ANSWER, Target

_SHUT = {frames.INITIAL_WINDOW_SIZE: 0}
_OPEN = {frames.INITIAL_WINDOW_SIZE: frames.LARGEST_WINDOW}
# A unary answer is one message, and is whole in memory until it has gone out: as an object first, then as bytes.
_HUNDRED_ANSWERS_MB = 4 * 100 * LARGE_ANSWER // 1_000_000 + 40


async def _ask(connection: Connection, target: Target, times: int, timeout: str) -> None:
    body = frames.message(target.list_top)
    for _ in range(times):
        if not await connection.send(call(connection.next_stream(), "ListTop", body, timeout=timeout)):
            return
        await asyncio.sleep(0)


@attack(small=8, full=100, peak_mb=_HUNDRED_ANSWERS_MB)
async def a_window_never_opened(target: Target, size: int) -> Answer:
    """Large answers asked for by a peer whose window is 0: they end at their deadline."""
    async with connected(target, settings=_SHUT) as connection:
        await _ask(connection, target, size, "500m")
        await connection.answered(size)
        return await connection.settle()


@attack(small=8, full=100, peak_mb=_HUNDRED_ANSWERS_MB)
async def a_connection_window_never_opened(target: Target, size: int) -> Answer:
    """Streams with wide windows on a connection that lets 64 KB pass in all: they end at their deadline."""
    async with connected(target, settings=_OPEN, window=0) as connection:
        await _ask(connection, target, size, "500m")
        await connection.answered(size)
        return await connection.settle()


@attack(small=24, full=100, peak_mb=_HUNDRED_ANSWERS_MB)
async def a_reader_that_stops(target: Target, size: int) -> Answer:
    """All windows wide open, and a socket that is never read."""
    async with connected(target, settings=_OPEN, receive_buffer=4096) as connection:
        connection.transport.pause_reading()
        await _ask(connection, target, size, "500m")
        # A server that is busy may come to the calls late. It has, by the time when it greets somebody else.
        async with connected(target):
            await asyncio.sleep(0.7)
        connection.transport.resume_reading()
        await connection.answered(size)
        return await connection.settle()


@attack(small=0, full=60)
async def a_reader_that_never_comes_back(target: Target, size: int) -> Answer:
    """All windows open, answers that fill the socket, an error on top, and not a byte read for so many seconds: what
    waits for such a peer is let go."""
    async with connected(target, settings=_OPEN, receive_buffer=4096) as connection:
        connection.transport.pause_reading()
        await _ask(connection, target, 8, "500m")
        await connection.flood(frames.frame(frames.PING, payload=bytes(8)), 10_000)
        await connection.send(frames.data(0, b"an error of the connection"))
        for _ in range(2 * size):
            # A socket that is not read tells of its end only when it is written to.
            await connection.send(frames.frame(0xEE))
            if await connection.until(lambda: connection.closed, 0.5):
                return Answer({"closed": 1})
        return Answer({f"open after {size} s" if size else "open": 1})


@attack(small=1_000, full=100_000, peak_mb=60)
async def small_answers_never_read(target: Target, size: int) -> Answer:
    """Ever new small calls, all windows wide open, by a peer that never reads an answer: the server must stop reading
    as well, or hang up."""
    async with connected(target, settings=_OPEN, receive_buffer=4096) as connection:
        connection.transport.pause_reading()
        body = frames.message(target.get_entry)
        for _ in range(size // 50):
            calls = b"".join(call(connection.next_stream(), "GetEntry", body) for _ in range(50))
            if not await connection.send(calls):
                break
            await asyncio.sleep(0.01)
        return await connection.settle()


@attack(small=2_000, full=50_000)
async def a_window_of_one_byte_at_a_time(target: Target, size: int) -> Answer:
    """A large answer, taken byte by byte."""
    async with connected(target, settings=_SHUT) as connection:
        await _ask(connection, target, 1, "20S")
        for _ in range(size // 10):
            if not await connection.send(10 * frames.window_update(1, 1)):
                break
            await asyncio.sleep(0)
        await connection.until(lambda: connection.data_bytes >= size)
        await connection.send(frames.reset(1))
        return await connection.settle()


@attack(small=1_000, full=20_000, peak_mb=_HUNDRED_ANSWERS_MB)
async def windows_that_open_and_shut(target: Target, size: int) -> Answer:
    """Open calls, one to a hundred frames, and SETTINGS that change the windows of all of them, again and again."""
    async with connected(target, settings=_SHUT, window=0) as connection:
        calls = max(8, size // 200)
        await _ask(connection, target, calls, "500m" if calls == 8 else "5S")
        await connection.flood(frames.settings({frames.INITIAL_WINDOW_SIZE: 1}) + frames.settings(_SHUT), size // 2)
        await connection.answered(calls)
        return await connection.settle()


@attack()
async def windows_that_overflow(target: Target, size: int) -> Answer:
    """WINDOW_UPDATEs beyond 2^31 - 1 and of 0, for the connection and for a stream."""
    opened = call(1, "ListTop", frames.message(target.list_top), timeout="2S")
    seen = Answer()
    for stream, increment in ((0, frames.LARGEST_WINDOW), (1, frames.LARGEST_WINDOW), (0, 0), (1, 0)):
        async with connected(target, window=0) as connection:
            await connection.send(opened + 2 * frames.window_update(stream, increment))
            seen += await connection.settle()
    return seen
