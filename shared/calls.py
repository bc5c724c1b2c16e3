"""What every call goes through, once, between gRPC and a servicer: room, size, parsing, deadline, errors, telemetry.

The request arrives here as bytes and is parsed here, because gRPC itself answers bytes that do not parse with
INTERNAL, and what is too large without a reason.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode, aio

from shared import deadline, status
from shared.errors import Bug, DeadlineReached, FieldInvalid, Overloaded, SavepointError, Stopping
from shared.json_struct import DEEPEST
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

_log = logging.getLogger("savepoint.call")

LARGEST_REQUEST = 4 * 1024 * 1024
# Taken off the caller's deadline, so that our answer, which says why, arrives before gRPC's, which does not.
_SHAVE_S = 0.02
LONGEST_CALL_S = 30.0
_QUIET_S = 0.1

Behaviour = Callable[[Any, "aio.ServicerContext[Any, Any]"], Awaitable[Any]]


class Calls(aio.ServerInterceptor):
    """Wraps every unary handler. Streams (health, reflection) pass as they are."""

    def __init__(self, metrics: Metrics, traces: Traces, most_in_flight: int, default_deadline_s: float) -> None:
        self._metrics = metrics
        self._traces = traces
        self._most_in_flight = most_in_flight
        self._default_deadline_s = default_deadline_s
        self._in_flight = 0
        self._stopping = False
        self._last_arrival = 0.0
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler to use: ours around the service's."""
        method = handler_call_details.method
        if known := self._wrapped.get(method):
            return known
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        # The libraries' own calls, health that is, must be answered while ours are refused.
        behaviour = self._around(method, handler) if method.startswith("/savepoint.") else _parsed(handler)
        wrapped: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            behaviour, request_deserializer=None, response_serializer=_serialized
        )
        self._wrapped[method] = wrapped
        return wrapped

    async def drain(self, bound_s: float) -> None:
        """Refuses new calls as UNAVAILABLE and returns when those in flight have ended and no more have come for a
        moment, after `bound_s` at the latest.

        grpc.aio's own stop() drops calls that reach it at the wrong instant, and they end as CANCELLED: so it is only
        called when there are none.
        """
        self._stopping = True
        until = time.perf_counter() + bound_s
        while time.perf_counter() < until:
            if not self._in_flight and time.perf_counter() - self._last_arrival > _QUIET_S:
                return
            await asyncio.sleep(_QUIET_S / 5)

    def _around(self, method: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> Behaviour:
        behaviour: Behaviour = handler.unary_unary  # type: ignore[assignment] # `intercept_service` has looked
        parse = handler.request_deserializer
        service, _, rpc = method.removeprefix("/").partition("/")
        labels = {"rpc_service": service, "rpc_method": rpc}

        async def call(raw: bytes, context: "aio.ServicerContext[Any, Any]") -> Any:
            begun = time.perf_counter()
            self._last_arrival = begun
            code = StatusCode.CANCELLED
            self._in_flight += 1
            try:
                with self._traces.call(method, _metadata(context) if self._traces.enabled else {}):
                    try:
                        response = await self._answer(behaviour, parse, raw, context)
                    except SavepointError as error:
                        failure = error
                        if isinstance(error, Bug):
                            _log.exception("call failed: this is a bug", extra=labels)
                    except Exception:
                        _log.exception("call failed: this is a bug", extra=labels)
                        failure = Bug()
                    else:
                        code = StatusCode.OK
                        return response
                code = status.code_of(failure)
                if _log.isEnabledFor(logging.DEBUG):
                    _log.debug("call refused: %s", failure.message, extra={**labels, "reason": failure.reason})
                await context.abort(code, status.message_of(failure), status.trailers(failure))
            finally:
                self._in_flight -= 1
                self._metrics.call(service, rpc, code.name, time.perf_counter() - begun)

        return call

    async def _answer(
        self,
        behaviour: Behaviour,
        parse: Callable[[bytes], Any] | None,
        raw: bytes,
        context: "aio.ServicerContext[Any, Any]",
    ) -> Any:
        if self._stopping:
            raise Stopping
        if self._in_flight > self._most_in_flight:
            raise Overloaded("too many calls are in flight; try again in a moment")
        if len(raw) > LARGEST_REQUEST:
            raise FieldInvalid(
                "request", f"must be at most {LARGEST_REQUEST} bytes, and has {len(raw)}; split the call"
            )
        try:
            request = parse(raw) if parse else raw
        except DecodeError as error:
            raise _malformed() from error
        left = context.time_remaining()
        seconds = self._default_deadline_s if left is None else min(left - _SHAVE_S, LONGEST_CALL_S)
        if seconds <= 0:
            raise DeadlineReached
        deadline.start(seconds)
        try:
            async with asyncio.timeout(seconds):
                return await behaviour(request, context)
        except TimeoutError as error:
            raise DeadlineReached from error


def _serialized(response: Message) -> bytes:
    # A map's order differs from process to process otherwise, and a replayed answer would differ with it.
    return response.SerializeToString(deterministic=True)


def _parsed(handler: "grpc.RpcMethodHandler[Any, Any]") -> Behaviour:
    behaviour: Behaviour = handler.unary_unary  # type: ignore[assignment] # `intercept_service` has looked
    parse = handler.request_deserializer

    async def call(raw: bytes, context: "aio.ServicerContext[Any, Any]") -> Any:
        try:
            request = parse(raw) if parse else raw
        except DecodeError:
            failure = _malformed()
            await context.abort(status.code_of(failure), status.message_of(failure), status.trailers(failure))
        return await behaviour(request, context)

    return call


def _malformed() -> FieldInvalid:
    return FieldInvalid(
        "request",
        "must be a message of the method's type; these bytes are none, or are nested too deeply"
        f" (a Struct may have {DEEPEST} levels)",
    )


def _metadata(context: "aio.ServicerContext[Any, Any]") -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
