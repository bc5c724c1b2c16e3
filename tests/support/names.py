"""A DNS server that knows the addresses of every name, as Docker's knows those of a service's containers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

_A = b"\x00\x01\x00\x01"  # type and class of a question for IPv4 addresses
_HEADER = 12


class Names(asyncio.DatagramProtocol):
    """Answers each question for IPv4 addresses with `addresses`, and any other with none."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps it, to answer by."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answers a query of one question."""
        question = data[_HEADER : data.index(b"\0", _HEADER) + 5]
        found = self.addresses if question.endswith(_A) else []
        head = data[:2] + b"\x81\x80" + b"".join(count.to_bytes(2, "big") for count in (1, len(found), 0, 0))
        # The name is the question's; it may be kept for 600 s, as Docker says of its names too.
        records = [b"\xc0\x0c" + _A + (600).to_bytes(4, "big") + b"\0\4" + socket.inet_aton(each) for each in found]
        assert self._transport is not None
        self._transport.sendto(head + question + b"".join(records), addr)


@asynccontextmanager
async def names(addresses: list[str]) -> AsyncIterator[tuple[Names, int]]:
    """The server and its UDP port on loopback."""
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Names(addresses), ("127.0.0.1", 0)
    )
    try:
        yield made, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
