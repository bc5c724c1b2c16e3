"""The host over asyncio and httpunk: listens, keeps the connections, drains them, ends them."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from shared.rpc.host import CannotListenError, ConnectionRules, Tls
from shared.rpc.http2.connection import Connection
from shared.rpc.methods import Methods, ServedMethod
from shared.rpc.policies import Policies

# How many clients may wait to be accepted, as all of them do after a restart. The kernel may allow fewer.
_BACKLOG = 4096
_POLL_S = 0.02
# How long calls may take to end once they are cancelled, and clients to go then; and connections to close after that.
_END_WITHIN_S = 1.0
_CLOSE_WITHIN_S = 1.0


class Http2Host:
    """A server of gRPC over HTTP/2."""

    def __init__(self, policies: Policies, rules: ConnectionRules) -> None:
        self._rules = rules
        self._methods = Methods(policies)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._draining = False

    def add_generic_rpc_handlers(self, generic_rpc_handlers: "Sequence[grpc.GenericRpcHandler]") -> None:
        """What generated code calls."""
        self._methods.add_generic(generic_rpc_handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """What generated code calls."""
        self._methods.add(service_name, method_handlers)

    async def start(self, address: str, tls: Tls | None = None) -> str:
        """Listens, and serves from now on."""
        host, _, port = address.rpartition(":")
        encryption = _ssl_context(tls) if tls else None
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self, self._rules),
                host.strip("[]"),
                int(port),
                backlog=_BACKLOG,
                # A second process on the same port must fail, not share it unseen.
                reuse_port=False,
                ssl=encryption,
            )
        except (OSError, OverflowError) as error:
            raise CannotListenError(f"{address} cannot be used: is the port taken?") from error
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def drain(self, bound_s: float) -> None:
        """Takes no new connection, sends GOAWAY on those there are, and waits for the calls."""
        self._stop_listening()
        self._draining = True
        for connection in self._connections:
            connection.drain()
        await _comes_true(lambda: all(connection.drained for connection in self._connections), bound_s)

    async def stop(self) -> None:
        """Ends what is left."""
        self._stop_listening()
        for connection in list(self._connections):
            connection.cancel()
        # Clients that know of the end go by themselves once they have their answers.
        await _comes_true(lambda: not self._connections, _END_WITHIN_S)
        for connection in list(self._connections):
            connection.close()
        await _comes_true(lambda: not self._connections, _CLOSE_WITHIN_S)
        for connection in list(self._connections):
            connection.abort()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    # For connections.

    def find(self, path: str) -> ServedMethod | None:
        """The method at a path."""
        return self._methods.find(path)

    def connected(self, connection: Connection) -> None:
        """A client has connected; even during a drain, when its TLS handshake took long."""
        self._connections.add(connection)
        if self._draining:
            connection.drain()

    def disconnected(self, connection: Connection) -> None:
        """A client has gone."""
        self._connections.discard(connection)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


async def _comes_true(condition: Callable[[], bool], bound_s: float) -> None:
    """Returns when it does, after `bound_s` at the latest."""
    loop = asyncio.get_running_loop()
    until = loop.time() + bound_s
    while not condition() and loop.time() < until:
        await asyncio.sleep(_POLL_S)


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["h2"])
    if tls.client_authorities:
        context.load_verify_locations(tls.client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
