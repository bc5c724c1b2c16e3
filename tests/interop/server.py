"""The interop server: `python -m tests.interop.server --host grpc_aio --listen 127.0.0.1:0`, until SIGTERM.

It prints one line, the address it listens on, once it can be called.
"""

import argparse
import asyncio
import signal
from typing import Any, Protocol

from grpc import aio

from tests.interop import status_details
from tests.interop.protos.interop_pb2_grpc import add_TestServiceServicer_to_server
from tests.interop.servicer import InteropServicer

HOSTS = ("grpc_aio",)

SHOWS_REQUEST_ENCODING = {"grpc_aio": False}
"""Whether a servicer finds `grpc-encoding` in its invocation metadata; grpc.aio keeps it to itself."""

_STOP_GRACE_S = 1


class Host(Protocol):
    """What a host must offer here, beside what generated code calls on it."""

    async def start(self, address: str) -> str:
        """Listens at host:port, and returns the address with the port that was found for port 0."""

    async def stop(self) -> None:
        """Ends what is left."""


class _PlainGrpcAio:
    """grpc.aio's own server."""

    def __init__(self) -> None:
        self._server = aio.server()
        self.add_generic_rpc_handlers = self._server.add_generic_rpc_handlers
        self.add_registered_method_handlers = self._server.add_registered_method_handlers

    async def start(self, address: str) -> str:
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return f"{address.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        await self._server.stop(_STOP_GRACE_S)


def make_server(host: str) -> Host:
    """A server of this host, with nothing on it yet."""
    assert host in HOSTS, f"no host {host}"
    return _PlainGrpcAio()


async def serve(host: str, listen: str) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server: Any = make_server(host)
    # UnimplementedCall is left to the generated class, which answers UNIMPLEMENTED.
    servicer = InteropServicer(shows_request_encoding=SHOWS_REQUEST_ENCODING[host])  # type: ignore[abstract]
    add_TestServiceServicer_to_server(servicer, server)
    status_details.add_to_server(server)
    print(await server.start(listen), flush=True)
    await stopping.wait()
    await server.stop()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.server", description=__doc__)
    parser.add_argument("--host", choices=HOSTS, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.listen))


if __name__ == "__main__":
    main()
