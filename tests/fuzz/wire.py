"""Protobuf by hand, for messages that no library would write: too deep, in pieces, of the wrong wire type."""

import random

VARINT, LENGTH = 0, 2


def varint(number: int) -> bytes:
    """An unsigned integer, 7 bits a byte."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes: a text, or a message."""
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def nested_objects(levels: int) -> bytes:
    """A Struct of so many objects inside each other, itself counted."""
    struct = b""
    for _ in range(levels):
        struct = field(1, field(1, b"a") + field(2, field(5, struct)))
    return struct


def nested_lists(levels: int) -> bytes:
    """A Struct with lists inside each other, so many levels, itself counted."""
    value = field(3, b"core")
    for _ in range(levels - 1):
        value = field(6, field(1, value))
    return field(1, field(1, b"a") + field(2, value))


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """The bytes with something done to them."""
    some = bytearray(raw)
    match rng.randrange(7):
        case 0:
            for _ in range(rng.choice((1, 1, 3, 20))):
                if some:
                    some[rng.randrange(len(some))] ^= 1 << rng.randrange(8)
        case 1:
            del some[rng.randrange(len(some) + 1) :]
        case 2:
            some += rng.randbytes(rng.choice((1, 8, 200)))
        case 3:
            # The same message twice: lists double, what is single is merged.
            some *= 2
        case 4:
            # A field that the message does not have, or has as another type.
            some += varint(rng.choice((1, 2, 3, 4, 5, 15, 16, 1000, 2**29 - 1)) << 3 | VARINT) + varint(2**64 - 1)
        case 5:
            # A text that is no UTF-8.
            some += field(rng.randrange(1, 6), b"\xed\xa0\x80\xff")
        case _:
            # A length that promises more than there is.
            some += varint(rng.randrange(1, 6) << 3 | LENGTH) + varint(rng.choice((1, 100, 2**31 - 1, 2**32, 2**63)))
    return bytes(some)
