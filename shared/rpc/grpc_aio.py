"""The host over grpc.aio: gRPC's own C library under an asyncio face.

An interceptor replaces each method's handler by one that takes bytes and returns bytes, and that sends the call through
the policies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from grpc import aio

from shared.contract.errors import Stopping
from shared.rpc import status
from shared.rpc.host import CannotListenError, ConnectionRules, Tls
from shared.rpc.messages import LARGEST_REQUEST, serialized
from shared.rpc.policies import Call, Context, Method, Policies, Step

# For `stop`: `drain` has waited for all other calls, so only streams are left by then.
_STREAMS_GRACE_S = 0.2
_QUIET_S = 0.1


class GrpcAioHost(aio.ServerInterceptor):
    """A grpc.aio server that sends every call through the policies."""

    def __init__(self, policies: Policies, rules: ConnectionRules) -> None:
        self._policies = policies
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._server = aio.server(interceptors=[self], options=_options(rules))
        self._in_flight = 0
        self._last_arrival = 0.0
        self._draining = False

    def add_generic_rpc_handlers(self, generic_rpc_handlers: "Sequence[grpc.GenericRpcHandler]") -> None:
        """What generated code calls."""
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """What generated code calls."""
        self._server.add_registered_method_handlers(service_name, method_handlers)

    async def start(self, address: str, tls: Tls | None = None) -> str:
        """Listens, and serves from now on."""
        credentials = _credentials(tls) if tls else None
        try:
            port = (
                self._server.add_secure_port(address, credentials)
                if credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise CannotListenError(f"{address} cannot be used: is the port taken?") from error
        await self._server.start()
        return f"{address.rpartition(':')[0]}:{port}"

    async def drain(self, bound_s: float) -> None:
        """Refuses new calls as UNAVAILABLE, and returns when those in flight have ended and no more have come for a
        moment.

        grpc.aio's own stop() drops calls that reach it at the wrong instant, and they end as CANCELLED: so it is only
        called when there are none.
        """
        self._draining = True
        until = time.perf_counter() + bound_s
        while time.perf_counter() < until:
            if not self._in_flight and time.perf_counter() - self._last_arrival > _QUIET_S:
                return
            await asyncio.sleep(_QUIET_S / 5)

    async def stop(self) -> None:
        """Ends what is left."""
        await self._server.stop(_STREAMS_GRACE_S)

    @property
    def connections(self) -> int:
        """0: grpc.aio does not say."""
        return 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a call: the policies, then the servicer's method."""
        path = handler_call_details.method
        if known := self._handlers.get(path):
            return known
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        wrapped = self._handlers[path] = self._wrapped(Method.of(path, handler))
        return wrapped

    def _wrapped(self, method: Method) -> "grpc.RpcMethodHandler[Any, Any]":
        way = self._policies.way(method)
        behaviour = self._counted(method, way) if method.own and not method.streams_answers else _plain(method, way)
        shapes: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        make = shapes[method.streams_requests, method.streams_answers]
        handler: grpc.RpcMethodHandler[Any, Any] = make(
            behaviour, request_deserializer=None, response_serializer=serialized
        )
        return handler

    def _counted(self, method: Method, way: Step) -> Callable[[Any, Context], Awaitable[bytes | None]]:
        """A handler whose calls a drain waits for; once the drain has begun, it refuses new ones."""

        async def call(request: Any, context: Context) -> bytes | None:
            self._last_arrival = time.perf_counter()
            if self._draining:
                failure = Stopping()
                await context.abort(status.code_of(failure), status.message_of(failure), status.trailers(failure))
            self._in_flight += 1
            try:
                return await way(Call(method, context, request))
            finally:
                self._in_flight -= 1

        return call


def _plain(method: Method, way: Step) -> Callable[[Any, Context], Awaitable[bytes | None]]:
    async def call(request: Any, context: Context) -> bytes | None:
        return await way(Call(method, context, request))

    return call


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    authorities = tls.client_authorities.read_bytes() if tls.client_authorities else None
    return grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())], authorities, require_client_auth=authorities is not None
    )


def _options(rules: ConnectionRules) -> list[tuple[str, int]]:
    return [
        # Above our own limit, which answers with a reason; beyond this gRPC refuses to read on.
        ("grpc.max_receive_message_length", 4 * LARGEST_REQUEST),
        ("grpc.max_send_message_length", 16 * LARGEST_REQUEST),
        # A second process on the same port must fail, not share it unseen.
        ("grpc.so_reuseport", 0),
        # A gateway or client that keeps its connection warm must not be taken for an abuser.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_time_ms", int(rules.ping_every_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(rules.ping_answer_s * 1000)),
        ("grpc.max_connection_idle_ms", int(rules.idle_s * 1000)),
        ("grpc.max_connection_age_ms", int(rules.oldest_s * 1000)),
    ]
