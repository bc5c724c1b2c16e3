"""Very many frames that are each allowed, or nearly: the CPU and memory that they cost must not be the others'."""

import asyncio
import struct
from collections.abc import Callable

from h2.errors import ErrorCodes
from hpack import Encoder

from tests.wire import frames
from tests.wire.connection import Answer, Connection, call, connected, request
from tests.wire.registry import attack
from tests.wire.target import Target

_MILLION = 1_000_000


def _indexed(fields: frames.HeaderList) -> tuple[bytes, bytes]:
    """The block that teaches the server's table these fields, and the one of a few bytes that repeats them."""
    encoder = Encoder()
    return encoder.encode(fields), encoder.encode(fields)


async def _open_call(connection: Connection) -> int:
    stream = connection.next_stream()
    await connection.send(frames.headers(stream, frames.block(request("GetEntry", timeout="30S"))))
    return stream


async def _flood(target: Target, one: bytes, times: int) -> Answer:
    async with connected(target) as connection:
        await connection.flood(one, times)
        return await connection.settle(10)


@attack(small=20_000, full=_MILLION)
async def one_message_in_tiny_frames(target: Target, size: int) -> Answer:
    """A valid call, its message split into DATA frames of 1 byte."""
    # An unknown field of that many bytes makes the message as long as wanted.
    padding = b"\xa2\x06" + _varint(size) + bytes(size)
    async with connected(target) as connection:
        stream = await _open_call(connection)
        await connection.send_body(stream, frames.message(target.get_entry + padding), piece=1)
        await connection.until(lambda: stream in connection.ended)
        return await connection.settle()


@attack(small=20_000, full=_MILLION)
async def empty_data_frames(target: Target, size: int) -> Answer:
    """DATA frames of no byte on an open call, which cost no window."""
    async with connected(target) as connection:
        stream = await _open_call(connection)
        await connection.flood(frames.data(stream, b""), size)
        await connection.send_body(stream, frames.message(target.get_entry))
        await connection.until(lambda: stream in connection.ended)
        return await connection.settle()


@attack(small=20_000, full=_MILLION)
async def padded_data_frames(target: Target, size: int) -> Answer:
    """DATA frames that are all padding: a window's worth of nothing."""
    async with connected(target) as connection:
        stream = await _open_call(connection)
        # 2 bytes of window each: the server must hand them back, or this stops where the window does.
        times = min(size, connection.room(stream) // 2)
        await connection.flood(frames.frame(frames.DATA, frames.PADDED, stream, b"\x01\x00"), times)
        return await connection.settle()


@attack(small=50_000, full=_MILLION)
async def window_updates_of_one(target: Target, size: int) -> Answer:
    """WINDOW_UPDATE(1), half of them for the connection, half for an open stream."""
    async with connected(target, window=0) as connection:
        stream = await _open_call(connection)
        await connection.flood(frames.window_update(0, 1) + frames.window_update(stream, 1), size // 2)
        return await connection.settle(10)


@attack(small=20_000, full=_MILLION)
async def pings(target: Target, size: int) -> Answer:
    """PINGs, each of which has to be answered."""
    return await _flood(target, frames.frame(frames.PING, payload=bytes(8)), size)


@attack(small=20_000, full=_MILLION)
async def settings(target: Target, size: int) -> Answer:
    """SETTINGS, each of which has to be acknowledged."""
    return await _flood(target, frames.settings({frames.INITIAL_WINDOW_SIZE: 65_535}), size)


@attack(small=20_000, full=_MILLION)
async def acknowledgements_of_nothing(target: Target, size: int) -> Answer:
    """SETTINGS and PING acknowledgements that nobody asked for."""
    ping = frames.frame(frames.PING, frames.ACK, payload=bytes(8))
    return await _flood(target, frames.frame(frames.SETTINGS, frames.ACK) + ping, size // 2)


@attack(small=50_000, full=_MILLION)
async def priorities(target: Target, size: int) -> Answer:
    """PRIORITY frames, which RFC 9113 has done away with."""
    return await _flood(target, frames.frame(frames.PRIORITY, 0, 1, bytes(4) + b"\x10"), size)


@attack(small=50_000, full=_MILLION)
async def frames_of_an_unknown_type(target: Target, size: int) -> Answer:
    """Extension frames, which have to be ignored."""
    return await _flood(target, frames.frame(0xEE, 0xFF, 1), size)


# A million answers have 17 MB: they must wait in the peer's socket, not here.
@attack(small=20_000, full=_MILLION, peak_mb=8)
async def pings_whose_answers_are_not_read(target: Target, size: int) -> Answer:
    """PINGs from a peer that never reads: the answers must not pile up."""
    async with connected(target, receive_buffer=4096) as connection:
        connection.transport.pause_reading()
        await connection.flood(frames.frame(frames.PING, payload=bytes(8)), size)
        return await connection.settle()


@attack(small=20_000, full=_MILLION, peak_mb=8)
async def settings_whose_answers_are_not_read(target: Target, size: int) -> Answer:
    """SETTINGS from a peer that never reads."""
    async with connected(target, receive_buffer=4096) as connection:
        connection.transport.pause_reading()
        await connection.flood(frames.settings({frames.INITIAL_WINDOW_SIZE: 65_535}), size)
        return await connection.settle()


@attack(small=500, full=10_000)
async def rapid_resets(target: Target, size: int) -> Answer:
    """Calls that are reset in the same breath, in frames as small as they get (CVE-2023-44487)."""
    async with connected(target) as connection:
        first, again = _indexed(request("GetEntry"))
        body = frames.message(target.get_entry)

        def one(block: bytes) -> bytes:
            stream = connection.next_stream()
            return frames.headers(stream, block) + frames.data(stream, body) + frames.reset(stream)

        await connection.send(one(first))
        for _ in range(size // 100):
            if not await connection.send(b"".join(one(again) for _ in range(100))):
                break
            await asyncio.sleep(0)
        return await connection.settle()


@attack(small=50, full=100)
async def a_burst_of_cancels(target: Target, size: int) -> Answer:
    """What a gateway sends when so many of its callers give up at once: no attack, and the connection, on which all of
    its callers are, must live."""
    async with connected(target) as connection:
        body = frames.message(target.get_entry)
        streams = [connection.next_stream() for _ in range(size)]
        calls = b"".join(call(stream, "GetEntry", body) for stream in streams)
        await connection.send(calls + b"".join(frames.reset(stream) for stream in streams))
        last = connection.next_stream()
        await connection.send(call(last, "GetEntry", body))
        await connection.until(lambda: last in connection.ended)
        return await connection.settle()


@attack(small=200, full=10_000)
async def resets_made_by_the_server(target: Target, size: int) -> Answer:
    """Calls followed by a frame that makes the server itself reset them, of four kinds (CVE-2025-8671)."""
    first, again = _indexed(request("GetEntry"))
    kinds: list[Callable[[int], bytes]] = [
        lambda stream: frames.window_update(stream, 0),
        lambda stream: 2 * frames.window_update(stream, frames.LARGEST_WINDOW),
        lambda stream: frames.frame(frames.PRIORITY, 0, stream, struct.pack(">IB", stream, 15)),
        lambda stream: frames.data(stream, b"", end=True) + frames.data(stream, b"more"),
    ]
    seen = Answer()
    for provoke in kinds:
        async with connected(target) as connection:
            sent = frames.headers(connection.next_stream(), first)
            for _ in range(size // 100):
                streams = [connection.next_stream() for _ in range(100)]
                sent += b"".join(frames.headers(stream, again) + provoke(stream) for stream in streams)
                if not await connection.send(sent):
                    break
                sent = b""
                await asyncio.sleep(0)
            seen += await connection.settle()
    return seen


@attack(small=500, full=10_000)
async def a_reset_right_after_the_end(target: Target, size: int) -> Answer:
    """Whole calls, each reset right after its END_STREAM, a hundred at a time with a pause to be served."""
    async with connected(target) as connection:
        body = frames.message(target.get_entry)
        for _ in range(size // 20):
            streams = [connection.next_stream() for _ in range(20)]
            whole = b"".join(call(one, "GetEntry", body) + frames.reset(one, ErrorCodes.NO_ERROR) for one in streams)
            if not await connection.send(whole):
                break
            await asyncio.sleep(0.002)
        return await connection.settle()


@attack(small=2_000, full=100_000)
async def endless_continuation(target: Target, size: int) -> Answer:
    """A header block that never ends, in CONTINUATION frames: empty ones, tiny ones, full ones (CVE-2024-27316)."""
    field = frames.raw_block([(b"x-a", b"b")])
    full = frames.raw_block([(b"x-long", b"v" * 16_000)])
    seen = Answer()
    for piece in (b"", field, full):
        async with connected(target) as connection:
            block = frames.block(request("GetEntry"))
            await connection.send(frames.headers(1, block, flags=0))
            await connection.flood(frames.frame(frames.CONTINUATION, 0, 1, piece), size if len(piece) < 100 else 2_000)
            # Some other frame inside of a header block is an error too: so the PING of settle() ends what still lives.
            seen += await connection.settle()
    return seen


def _varint(value: int) -> bytes:
    out = b""
    while value >= 128:
        out += bytes((value % 128 + 128,))
        value //= 128
    return out + bytes((value,))
