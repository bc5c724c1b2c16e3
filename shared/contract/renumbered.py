"""A message's bytes with other field numbers.

A request's fingerprint is made of its bytes, and kept with its record. Where a release numbers a request's fields anew,
the fingerprint stays that of the bytes as the earlier release had them: so whoever sends again, after the upgrade, what
was done before it, gets the answer that was recorded. Each area's messages.py says which requests these are.
"""

from collections.abc import Mapping
from operator import itemgetter

from shared.contract.wire import varint

_VARINT, _FIXED_64, _LENGTH, _GROUP, _GROUP_END, _FIXED_32 = 0, 1, 2, 3, 4, 5


def renumbered(message: bytes, numbers: Mapping[int, int]) -> bytes:
    """The serialized message, each field under the number that `numbers` has for its own, in the order of the new ones;
    a field that is not in `numbers` keeps its own."""
    fields: list[tuple[int, bytes]] = []
    # Of a thousand submissions all have one tag.
    anew: dict[int, tuple[int, bytes]] = {}
    at = 0
    while at < len(message):
        tag, start = _varint(message, at)
        if tag not in anew:
            number = numbers.get(tag >> 3, tag >> 3)
            anew[tag] = number, varint(number << 3 | tag & 7)
        number, prefix = anew[tag]
        at = _end(message, start, tag & 7)
        fields.append((number, prefix + message[start:at]))
    # Those of one number stay in their order: sorting is stable.
    fields.sort(key=itemgetter(0))
    return b"".join(content for _, content in fields)


def _end(message: bytes, start: int, kind: int) -> int:
    """Where the value that starts there ends."""
    if kind == _LENGTH:
        length, begin = _varint(message, start)
        return begin + length
    if kind == _VARINT:
        return _varint(message, start)[1]
    if kind == _GROUP:
        # The contract has none, but a message keeps whatever else a caller has sent.
        while True:
            tag, start = _varint(message, start)
            if tag & 7 == _GROUP_END:
                return start
            start = _end(message, start, tag & 7)
    return start + {_FIXED_64: 8, _FIXED_32: 4}[kind]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that stands there, and where it ends."""
    value, at = message[at], at + 1
    if value < 0x80:
        return value, at
    value, shift = value & 0x7F, 7
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
