"""What a host is: it carries calls between the network and the policies, over gRPC's protocol.

There are two, of the same behaviour: `http2` (the default, over the httpunk library) and `grpc_aio` (over grpc.aio).
RPC_HOST names one; docs/adr/0007-two-hosts.md says what each loses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc


class CannotListenError(Exception):
    """The address cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: our certificate with its chain, its key, and the authorities whose clients are let in (None: anybody
    who trusts our certificate)."""

    certificate: Path
    key: Path
    client_authorities: Path | None


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """How long connections live. Seconds, all of them.

    An idle one, and one that has grown old, is closed by GOAWAY: its client loses no call, and connects anew, perhaps
    to a replica that has been added meanwhile. A client that answers no ping is gone.
    """

    idle_s: float = 300.0
    oldest_s: float = 900.0
    ping_every_s: float = 30.0
    ping_answer_s: float = 10.0


class Host(Protocol):
    """Servicers are registered by the generated `add_<Service>Servicer_to_server(servicer, host)`, before `start`."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: "Sequence[grpc.GenericRpcHandler]") -> None:
        """What generated code calls."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """What generated code calls."""

    async def start(self, address: str, tls: Tls | None = None) -> str:
        """Listens at host:port, and serves from now on. Returns the address, with the port that was found for port 0.
        Raises CannotListenError."""

    async def drain(self, bound_s: float) -> None:
        """Tells clients to go elsewhere, and returns when the calls in flight have ended; after `bound_s` at the
        latest. Streams that wait for something, as health watches do, do not count."""

    async def stop(self) -> None:
        """Ends what is left, and closes every connection."""

    @property
    def connections(self) -> int:
        """How many clients are connected; 0 where the host cannot tell."""
