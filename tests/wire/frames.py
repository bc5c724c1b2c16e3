"""HTTP/2 frames as bytes, legal or not: the `h2` package's own connection refuses to send what must be sent here.

Numbers are RFC 9113's; `h2`, `hpack` and `hyperframe` supply the names of errors and the header compression.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from h2.errors import ErrorCodes
from hpack import Encoder
from hpack.struct import NeverIndexedHeaderTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
LARGEST_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
SMALLEST_MAX_FRAME = 16_384
LARGEST_FRAME = 2**24 - 1

HeaderList = list[tuple[str, str]]


@dataclass(frozen=True)
class Frame:
    """One frame that came in."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None) -> bytes:
    """A frame; `length` is what it claims to hold, where that is a lie."""
    claimed = len(payload) if length is None else length
    return struct.pack(">I", claimed)[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in values.items()))


def headers(stream: int, block: bytes, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, block)


def data(stream: int, payload: bytes, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def reset(stream: int, code: ErrorCodes = ErrorCodes.CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def goaway(last_stream: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> bytes:
    return frame(GOAWAY, payload=struct.pack(">II", last_stream, code))


def block(fields: Iterable[tuple[str, str]]) -> bytes:
    """A header block that depends on no state: the same bytes mean the same on every stream, in any order."""
    return Encoder().encode([NeverIndexedHeaderTuple(name, value) for name, value in fields])


def raw_block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Like `block`, of literals whose bytes pass as they are, short or long."""
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields)


def list_size(fields: Iterable[tuple[str, str]]) -> int:
    """What SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 6.5.2), in bytes."""
    return sum(len(name) + len(value) + 32 for name, value in fields)


def message(payload: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message: its flag, its claimed length, its bytes."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def error_name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"0x{code:x}"


def parse(buffer: bytearray) -> Iterator[Frame]:
    """Takes the whole frames off the front of `buffer`."""
    at = 0
    while len(buffer) - at >= 9:
        length = int.from_bytes(buffer[at : at + 3], "big")
        if len(buffer) - at - 9 < length:
            break
        stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & LARGEST_WINDOW
        yield Frame(buffer[at + 3], buffer[at + 4], stream, bytes(buffer[at + 9 : at + 9 + length]))
        at += 9 + length
    del buffer[:at]


def _text(value: bytes) -> bytes:
    """A string literal without Huffman code (RFC 7541 5.2)."""
    return _integer(len(value), 7) + value


def _integer(value: int, bits: int, first: int = 0) -> bytes:
    """An integer after RFC 7541 5.1."""
    most = 2**bits - 1
    if value < most:
        return bytes((first | value,))
    out = [first | most]
    value -= most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))
