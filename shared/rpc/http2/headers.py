"""Metadata and statuses as HTTP/2 headers, and back."""

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from httpunk import HeaderMap

from shared.rpc.http2.framing import ENCODINGS

Metadata = tuple[tuple[str, str | bytes], ...]

ACCEPTED_ENCODINGS = b",".join(ENCODINGS).decode()
CONTENT_TYPE = ("content-type", "application/grpc")
# gRPC's own, which no servicer sees as metadata; but how the request was encoded may be of interest.
_OWN = frozenset((b"te", b"content-type", b"grpc-timeout", b"grpc-accept-encoding"))
# What stays as it is in grpc-message: all that can be printed, but the percent sign.
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

HEAD = HeaderMap([CONTENT_TYPE])
HEAD_GZIP = HeaderMap([CONTENT_TYPE, ("grpc-encoding", "gzip")])
OK = HeaderMap([("grpc-status", "0")])


def metadata_of(headers: HeaderMap) -> Metadata:
    """The metadata inside a request's headers; a value is bytes where its key ends in -bin."""
    found: list[tuple[str, str | bytes]] = []
    for name, value in headers.raw_items():
        if name in _OWN:
            continue
        key = name.decode("ascii")
        if not key.endswith("-bin"):
            found.append((key, value.decode("latin-1")))
            continue
        for part in value.split(b","):
            try:
                found.append((key, base64.b64decode(part.strip() + b"=" * (-len(part.strip()) % 4), validate=True)))
            except binascii.Error:
                # Nothing that a servicer could read.
                continue
    return tuple(found)


def header_pairs(metadata: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, str]]:
    """Metadata as header fields."""
    return [(key.lower(), _value(value)) for key, value in metadata]


# Cached, because the same refusals are sent again and again in a flood, when there is least time to build them.
@lru_cache(maxsize=256)
def status_alone(code: int, message: str, metadata: Metadata) -> HeaderMap:
    """The whole answer of a call that failed before it had one: head and status in one."""
    return HeaderMap([CONTENT_TYPE, *trailers(code, message, metadata)])


def trailers(code: int, message: str, metadata: Metadata) -> list[tuple[str, str]]:
    """A status as header fields."""
    fields = [("grpc-status", str(code))]
    if message:
        fields.append(("grpc-message", quote(message, safe=_PRINTABLE)))
    return fields + header_pairs(metadata)


def _value(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii").rstrip("=")
    return value
