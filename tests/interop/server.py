"""The interop server: `python -m tests.interop.server --host grpc_aio --listen 127.0.0.1:0`, until SIGTERM.

It prints one line, the address it listens on, once it can be called.
"""

import argparse
import asyncio
import signal
from typing import Any

from shared.rpc import hosts, policies
from shared.rpc.host import Host
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces
from tests.interop import status_details
from tests.interop.protos.interop_pb2_grpc import add_TestServiceServicer_to_server
from tests.interop.servicer import InteropServicer

HOSTS = tuple(hosts.HOSTS)

SHOWS_REQUEST_ENCODING = {"httpunk": True, "grpc_aio": False}
"""Whether a servicer finds `grpc-encoding` in its invocation metadata; grpc.aio keeps it to itself."""

_MOST_IN_FLIGHT = 1000
_DEFAULT_DEADLINE_S = 30.0


def make_server(host: str) -> Host:
    """A server of this host with the policies of every service, and nothing on it yet."""
    return hosts.host(host, policies.standard(Metrics(), Traces("interop", ""), _MOST_IN_FLIGHT, _DEFAULT_DEADLINE_S))


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
