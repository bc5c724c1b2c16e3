"""Parts of messages as bytes: for messages that are put together from parts which are bytes already."""

_LENGTH = 2


def submessage(number: int, content: bytes) -> bytes:
    """The field of this number (1 to 15) that holds the content: a message's bytes, or a text's in UTF-8."""
    size = len(content)
    if size < 0x80:
        return bytes((number << 3 | _LENGTH, size)) + content
    return bytes((number << 3 | _LENGTH,)) + varint(size) + content


def varint(value: int) -> bytes:
    """A number from 0 on as a varint."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
