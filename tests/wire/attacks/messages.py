"""gRPC messages that lie about their length or their compression; each on a stream, on a connection that must live."""

import gzip
import random
import zlib

from tests.wire import frames
from tests.wire.connection import Answer, connected, request
from tests.wire.frames import HeaderList
from tests.wire.registry import attack
from tests.wire.target import Target

_GZIP: HeaderList = [("grpc-encoding", "gzip")]
_MB = 1024 * 1024
_LARGEST = 2**32 - 1


async def _answer(target: Target, *bodies: bytes, extra: HeaderList | None = None, end: bool = True) -> Answer:
    """Makes a call with each body in turn on one connection."""
    async with connected(target) as connection:
        fields = frames.block(request("GetEntry", extra, timeout="300m"))
        for body in bodies:
            stream = connection.next_stream()
            await connection.send(frames.headers(stream, fields))
            await connection.send_body(stream, body, end)
            await connection.until(lambda stream=stream: stream in connection.ended)  # type: ignore[misc]
        return await connection.settle()


@attack()
async def a_message_that_claims_4_gib(target: Target, size: int) -> Answer:
    """A length of 2^32 - 1, and 100 bytes, the stream then ended."""
    return await _answer(target, frames.message(bytes(100), length=_LARGEST))


@attack()
async def a_message_that_claims_4_gib_and_waits(target: Target, size: int) -> Answer:
    """A length of 2^32 - 1, and a stream that stays open: the answer must not wait for the rest."""
    return await _answer(target, frames.message(bytes(100), length=_LARGEST), end=False)


@attack()
async def a_message_longer_than_its_length(target: Target, size: int) -> Answer:
    """More bytes than the prefix says: what follows reads as the prefix of another message."""
    return await _answer(target, frames.message(target.get_entry, length=len(target.get_entry) - 3))


@attack()
async def a_message_shorter_than_its_length(target: Target, size: int) -> Answer:
    """The stream ends before the message does; also in the middle of the prefix."""
    return await _answer(target, frames.message(target.get_entry, length=len(target.get_entry) + 100), bytes(3))


@attack()
async def no_message(target: Target, size: int) -> Answer:
    """A unary call whose stream ends without a message."""
    return await _answer(target, b"")


@attack()
async def two_messages(target: Target, size: int) -> Answer:
    """A unary call with two whole messages."""
    return await _answer(target, 2 * frames.message(target.get_entry))


@attack()
async def wrong_compression_flags(target: Target, size: int) -> Answer:
    """Flags 2 and 255."""
    return await _answer(target, frames.message(target.get_entry, flag=2), frames.message(target.get_entry, flag=255))


@attack()
async def compressed_without_an_encoding(target: Target, size: int) -> Answer:
    """Flag 1 on a call that names no grpc-encoding."""
    return await _answer(target, frames.message(gzip.compress(target.get_entry), flag=1))


@attack()
async def an_unknown_encoding(target: Target, size: int) -> Answer:
    """Flag 1 and an encoding that does not exist."""
    return await _answer(target, frames.message(target.get_entry, flag=1), extra=[("grpc-encoding", "zopfli-9000")])


@attack()
async def garbage_as_gzip(target: Target, size: int) -> Answer:
    """Noise, a cut-off stream, and a false checksum, all called gzip."""
    packed = gzip.compress(target.get_entry)
    noise = random.Random(4).randbytes(500)
    bodies = (noise, packed[:-9], packed[:-8] + bytes(8), b"")
    return await _answer(target, *(frames.message(body, flag=1) for body in bodies), extra=_GZIP)


@attack(small=64, full=1024)
async def gzip_bomb(target: Target, size: int) -> Answer:
    """So many MB of zeros as a thousandth of that: refused at the limit of a message, without ever holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(_MB)) for _ in range(size)) + packer.flush()
    return await _answer(target, frames.message(packed, flag=1), extra=_GZIP)


@attack(small=1, full=30)
async def a_message_over_the_limit(target: Target, size: int) -> Answer:
    """5 MB where 4 are allowed, really sent."""
    return await _answer(target, *[frames.message(b"\xa2\x06" + b"\x80\x80\xc0\x02" + bytes(5 * _MB))] * size)


@attack()
async def another_content_type(target: Target, size: int) -> Answer:
    """JSON, and a GET."""
    async with connected(target) as connection:
        usual = request("GetEntry", timeout="300m")
        changed = {"content-type": "application/json"}
        fields = [(name, changed.get(name, value)) for name, value in usual]
        gets = [(name, "GET" if name == ":method" else value) for name, value in usual]
        for one in (fields, gets):
            stream = connection.next_stream()
            await connection.send(frames.headers(stream, frames.block(one)) + frames.data(stream, b"{}", end=True))
        await connection.answered(2)
        return await connection.settle()
