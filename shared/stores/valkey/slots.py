"""A cluster's hash slots: in which one a key lies, which node has which, and what a node says that has not got it."""

from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from shared.stores.valkey.script import Value
from shared.stores.valkey.url import Address

SLOTS = 16_384


class Redirect(NamedTuple):
    """MOVED: the slot is another node's now. ASK: it is being moved there, and this key has gone already."""

    moved: bool
    slot: int
    address: Address


class Range(NamedTuple):
    """Slots of one primary, both ends included, and its replicas."""

    first: int
    last: int
    primary: Address
    replicas: tuple[Address, ...]


def slot_of(key: Value) -> int:
    """The slot of a key: of what stands between its first braces, if anything does."""
    name = key if isinstance(key, bytes) else str(key).encode()
    opened = name.find(b"{")
    if opened >= 0:
        closed = name.find(b"}", opened + 1)
        if closed > opened + 1:
            name = name[opened + 1 : closed]
    # CRC-16 as XMODEM has it, which is what the servers use.
    return crc_hqx(name, 0) % SLOTS


def ranges(answer: Sequence[Any], asked: Address) -> Iterator[Range]:
    """What CLUSTER SLOTS says. A node that does not know its own address leaves it out: then it is the one that was
    asked. Raises LookupError, TypeError or ValueError for an answer of another form."""
    for first, last, *nodes in answer:
        primary, *replicas = [Address(host.decode() if host else asked.host, int(port)) for host, port, *_ in nodes]
        yield Range(int(first), int(last), primary, tuple(replicas))


def redirect_of(message: str, asked: Address) -> Redirect | None:
    """What "MOVED 3999 127.0.0.1:6381" and "ASK …" say; None for any other error."""
    kind, *rest = message.split(" ")
    if kind not in ("MOVED", "ASK") or len(rest) < 2:
        return None
    host, _, port = rest[1].rpartition(":")
    return Redirect(kind == "MOVED", int(rest[0]), Address(host or asked.host, int(port)))
