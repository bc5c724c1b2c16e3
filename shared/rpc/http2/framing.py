"""Length-prefixed messages: a flag byte (1: compressed), the length in four bytes, the message."""

import zlib

from shared.contract.errors import FieldInvalid
from shared.rpc.messages import LARGEST_REQUEST, too_large

PREFIX = 5
# The encodings that we read and write; identity needs no work.
IDENTITY, GZIP = b"identity", b"gzip"
ENCODINGS = (IDENTITY, GZIP)

# Tells zlib to write and read a gzip header.
_GZIP_WINDOW = 31
# The fastest level: what a better one saves of the network costs more in CPU.
_GZIP_LEVEL = 1


def framed(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def framed_gzip(message: bytes) -> bytes:
    """Likewise, compressed."""
    squeezer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    body = squeezer.compress(message) + squeezer.flush()
    return b"\x01" + len(body).to_bytes(4, "big") + body


class Zipped(bytes):
    """A message as it came, compressed. It is unpacked only when the handler takes it: the caller's window counts the
    compressed bytes, and unpacked they may be a thousand times as many."""

    def unzipped(self) -> bytes:
        """The message. Never more than the largest request, however much it would unfold to. Raises FieldInvalid."""
        expander = zlib.decompressobj(_GZIP_WINDOW)
        try:
            message = expander.decompress(self, LARGEST_REQUEST + 1)
        except zlib.error as error:
            raise FieldInvalid("request", "is flagged as gzip, and these bytes are not") from error
        if len(message) > LARGEST_REQUEST:
            raise FieldInvalid("request", f"must be at most {LARGEST_REQUEST} bytes once unzipped; split the call")
        if not expander.eof or expander.unused_data:
            raise FieldInvalid("request", "is flagged as gzip, and ends too early or too late")
        return message


class MessageReader:
    """Cuts the bytes of one stream into messages, wherever the frames end."""

    __slots__ = ("_buffer", "_encoding")

    def __init__(self, encoding: bytes) -> None:
        self._encoding = encoding
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """How many bytes of a message that is not all there yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises FieldInvalid for what can never become one."""
        buffer = self._buffer
        if not buffer and len(data) >= PREFIX and int.from_bytes(data[1:PREFIX], "big") == len(data) - PREFIX:
            # Nearly always a message is one frame, and a frame one message.
            return [self._message(data[0], data[PREFIX:])]
        # Appends in place: a message may come in a million frames, and copying the buffer for each would take hours.
        buffer += data
        messages = []
        at = 0
        while len(buffer) - at >= PREFIX:
            length = int.from_bytes(buffer[at + 1 : at + PREFIX], "big")
            if length > LARGEST_REQUEST:
                raise too_large(length)
            end = at + PREFIX + length
            if end > len(buffer):
                break
            messages.append(self._message(buffer[at], bytes(buffer[at + PREFIX : end])))
            at = end
        if at:
            del buffer[:at]
        return messages

    def _message(self, flag: int, body: bytes) -> bytes:
        if flag == 0:
            return body
        if flag != 1:
            raise FieldInvalid("request", f"must begin with a compression flag of 0 or 1, and has {flag}")
        if self._encoding != GZIP:
            raise FieldInvalid("request", "is flagged as compressed, and grpc-encoding names no compression")
        return Zipped(body)
