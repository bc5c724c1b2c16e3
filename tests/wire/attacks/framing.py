"""Bytes that are no frames, and frames that lie about their length."""

import random
import struct

from h2.errors import ErrorCodes

from tests.wire import frames
from tests.wire.connection import Answer, Connection, bare, call, connected, request
from tests.wire.registry import attack
from tests.wire.target import Target


async def _each(target: Target, pieces: list[bytes]) -> Answer:
    """Sends every piece on a connection of its own."""
    seen = Answer()
    for piece in pieces:
        async with connected(target) as connection:
            await connection.send(piece)
            seen += await connection.settle()
    return seen


def _open_call(connection: Connection) -> bytes:
    return frames.headers(connection.next_stream(), frames.block(request("GetEntry")))


@attack(small=10, full=2_000)
async def random_bytes_instead_of_the_preface(target: Target, size: int) -> Answer:
    """4 KB of noise where HTTP/2 should begin."""
    noise = random.Random(1)
    seen = Answer()
    for _ in range(size):
        async with bare(target) as connection:
            await connection.send(b"\x00" + noise.randbytes(4095))
            seen += await connection.settle()
    return seen


@attack(small=10, full=2_000)
async def random_bytes_after_the_preface(target: Target, size: int) -> Answer:
    """4 KB of noise where frames should be."""
    noise = random.Random(2)
    return await _each(target, [b"\xff" + noise.randbytes(4095) for _ in range(size)])


@attack(small=20, full=5_000)
async def random_frames(target: Target, size: int) -> Answer:
    """Frames of every type with flags, streams and content of noise, 50 on a connection."""
    noise = random.Random(3)

    def one() -> bytes:
        payload = noise.randbytes(noise.choice((0, 4, 5, 6, 8, 40)))
        return frames.frame(noise.randrange(12), noise.randrange(256), noise.choice((0, 0, 1, 2, 3, 5)), payload)

    return await _each(target, [b"".join(one() for _ in range(50)) for _ in range(size)])


@attack(small=10, full=1_000)
async def truncated_frames(target: Target, size: int) -> Answer:
    """A call that is cut off anywhere, and the connection closed there."""
    whole = call(1, "GetEntry", frames.message(target.get_entry))
    for i in range(size):
        async with connected(target) as connection:
            await connection.send(whole[: 1 + (i * 37) % (len(whole) - 1)])
    return Answer({"gone": 1})


@attack()
async def frames_of_no_length(target: Target, size: int) -> Answer:
    """Every type of frame that has a fixed size, with no content at all."""
    kinds = {frames.PRIORITY: 1, frames.RST_STREAM: 1, frames.PING: 0, frames.GOAWAY: 0, frames.WINDOW_UPDATE: 0}
    return await _each(target, [frames.frame(kind, 0, stream) for kind, stream in kinds.items()])


@attack()
async def frames_of_a_wrong_length(target: Target, size: int) -> Answer:
    """PING of 7 bytes, SETTINGS of 5, WINDOW_UPDATE of 3, an acknowledgement of SETTINGS with content."""
    return await _each(
        target,
        [
            frames.frame(frames.PING, payload=bytes(7)),
            frames.frame(frames.SETTINGS, payload=bytes(5)),
            frames.frame(frames.WINDOW_UPDATE, payload=bytes(3)),
            frames.frame(frames.SETTINGS, frames.ACK, payload=bytes(6)),
        ],
    )


@attack()
async def a_frame_that_claims_16_mb(target: Target, size: int) -> Answer:
    """DATA, HEADERS and an unknown type that claim the largest length there is, and send 100 bytes."""
    return await _each(
        target,
        [
            frames.frame(kind, 0, 1, bytes(100), length=frames.LARGEST_FRAME)
            for kind in (frames.DATA, frames.HEADERS, 0xEE)
        ],
    )


@attack()
async def a_frame_larger_than_the_server_takes(target: Target, size: int) -> Answer:
    """One DATA frame, whole, of a byte more than SETTINGS_MAX_FRAME_SIZE."""
    async with connected(target) as connection:
        await connection.send(_open_call(connection))
        await connection.send(frames.data(1, bytes(connection.largest_frame + 1), end=True), bound_s=5)
        return await connection.settle()


@attack()
async def padding_longer_than_its_frame(target: Target, size: int) -> Answer:
    """DATA and HEADERS whose padding would reach beyond them."""
    async with connected(target) as first, connected(target) as second:
        await first.send(_open_call(first) + frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + bytes(10)))
        flags = frames.PADDED | frames.END_HEADERS
        await second.send(frames.frame(frames.HEADERS, flags, 1, b"\xff" + frames.block(request("GetEntry"))[:100]))
        return await first.settle() + await second.settle()


@attack()
async def settings_that_cannot_be(target: Target, size: int) -> Answer:
    """ENABLE_PUSH 2, a window of 2^31, frames of 1 byte."""
    values = {frames.ENABLE_PUSH: 2, frames.INITIAL_WINDOW_SIZE: 2**31, frames.MAX_FRAME_SIZE: 1}
    return await _each(target, [frames.settings({key: value}) for key, value in values.items()])


@attack()
async def no_settings_after_the_preface(target: Target, size: int) -> Answer:
    """A call at once, without the SETTINGS that a preface ends with."""
    async with bare(target) as connection:
        await connection.send(frames.PREFACE + call(1, "GetEntry", frames.message(target.get_entry)))
        await connection.answered(1)
        return await connection.settle()


@attack()
async def frames_on_streams_never_opened(target: Target, size: int) -> Answer:
    """DATA, RST_STREAM and WINDOW_UPDATE on idle streams, CONTINUATION of nothing, PUSH_PROMISE by a client."""
    promise = struct.pack(">I", 2) + frames.block(request("GetEntry"))
    return await _each(
        target,
        [
            frames.data(1, b"x"),
            frames.reset(1, ErrorCodes.CANCEL),
            frames.window_update(1, 1),
            frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, b""),
            frames.frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, promise),
            frames.data(0, b"x"),
        ],
    )


@attack(small=1, full=20)
async def a_call_byte_by_byte(target: Target, size: int) -> Answer:
    """A call in TCP segments of a single byte, the preface too."""
    seen = Answer()
    for _ in range(size):
        async with bare(target) as connection:
            whole = frames.PREFACE + frames.settings({}) + call(1, "GetEntry", frames.message(target.get_entry))
            for at in range(len(whole)):
                await connection.send(whole[at : at + 1])
            await connection.answered(1)
            seen += await connection.settle()
    return seen
