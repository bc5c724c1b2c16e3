"""The client by which one Savepoint service calls another.

A call takes along the remaining time, the trace and the x-request-id of the call that it is made for. Calls go to all
replicas in turn, except those that say that they cannot serve. A call is sent again where that can help and does no
harm. When the sibling refuses, the same error is raised here.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
from grpc import aio

from shared.contract.errors import (
    Bug,
    DeadlineReached,
    DependencyUnavailable,
    FieldInvalid,
    Refused,
    SavepointError,
)
from shared.rpc import status
from shared.rpc.host import Tls
from shared.telemetry import request_id
from shared.telemetry.traces import Traces
from shared.work import deadline
from shared.work.attempts import Attempts
from shared.work.retry import Retrier, Transient, TransientError

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

_log = logging.getLogger("savepoint.sibling")

# The longest time for one attempt, where the call has more.
CALL_BOUND_S = 5.0


class Sibling:
    """One Savepoint service as another one calls it. Made by `connect`; stubs are made over its `channel`.

    Both kinds of call raise what the sibling refuses (NotFound, PreconditionFailed, Overloaded …); DeadlineReached;
    DependencyUnavailable where it does not answer, or fails in a way that is its own fault; and Bug where it finds our
    request malformed, which is our fault and not our caller's.
    """

    def __init__(self, service: str, channel: aio.Channel, traces: Traces) -> None:
        self.channel = channel
        self._service = service
        self._traces = traces
        self._retrier = Retrier()

    async def read(self, rpc: "aio.UnaryUnaryMultiCallable[Asked, Answered]", request: Asked) -> Answered:
        """The answer of an RPC that changes nothing."""
        return await self._call(rpc, request, repeatable=True)

    async def write(self, rpc: "aio.UnaryUnaryMultiCallable[Asked, Answered]", request: Asked) -> Answered:
        """The answer of an RPC that changes something. Where nobody knows whether an attempt took effect, it is
        repeated only if the request has a request_id, which makes that harmless. After DeadlineReached and
        DependencyUnavailable it may have taken effect."""
        return await self._call(rpc, request, repeatable=bool(getattr(request, "request_id", "")))

    async def _call(
        self, rpc: "aio.UnaryUnaryMultiCallable[Asked, Answered]", request: Asked, *, repeatable: bool
    ) -> Answered:
        attempts = Attempts(
            lambda: self._attempt(rpc, request, repeatable=repeatable), lambda: DependencyUnavailable(self._service)
        )
        try:
            return await self._retrier.run(attempts.once)
        except TransientError as error:
            raise DependencyUnavailable(self._service) from error

    async def _attempt(
        self, rpc: "aio.UnaryUnaryMultiCallable[Asked, Answered]", request: Asked, *, repeatable: bool
    ) -> Answered:
        seconds = deadline.remaining(CALL_BOUND_S)
        if not seconds:
            raise DeadlineReached
        call = rpc(request, timeout=seconds, metadata=self._metadata())
        try:
            return await call
        except aio.AioRpcError as error:
            raise self._translated(error, seconds, repeatable=repeatable) from error
        finally:
            # When we stop waiting for a call, grpc.aio does not cancel it, and never frees it.
            call.cancel()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        known_as = request_id.current()
        return (*self._traces.outgoing(), *(((request_id.KEY, known_as),) if known_as else ()))

    def _translated(self, failure: aio.AioRpcError, seconds: float, *, repeatable: bool) -> Exception:
        """What a failed attempt means for our own caller."""
        error = status.error_in(failure.trailing_metadata() or ())
        code = failure.code()
        if isinstance(error, Refused) and not isinstance(error, FieldInvalid):
            return error
        if code is grpc.StatusCode.UNAVAILABLE:
            return TransientError(Transient.CONNECTION_TIMEOUT, repeatable=repeatable)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and seconds < CALL_BOUND_S:
            return DeadlineReached()
        self._log_failure(failure, error)
        return Bug() if code is grpc.StatusCode.INVALID_ARGUMENT else DependencyUnavailable(self._service)

    def _log_failure(self, failure: aio.AioRpcError, error: SavepointError | None) -> None:
        _log.warning(
            "another service failed a call of ours",
            extra={
                "sibling": self._service,
                "code": failure.code().name,
                "reason": error.reason if error else "",
                "details": failure.details(),
            },
        )


@asynccontextmanager
async def connect(
    service: str, health_name: str, target: str, authority: Path | None, own: Tls | None, traces: Traces
) -> AsyncIterator[Sibling]:
    """A service with a channel to its replicas, closed on the way out. It may be down.

    `service` is what errors and logs call it, `health_name` the gRPC service whose health says which replicas serve,
    `target` where they are. With `authority`, which signed their certificates, calls are encrypted; `own` is the
    certificate by which they know us.
    """
    async with _channel(target, authority, own, _options(health_name)) as channel:
        yield Sibling(service, channel, traces)


def _options(health_name: str) -> list[tuple[str, str | int]]:
    # Every replica gets its share; gRPC alone would stay with one of them. A replica that is about to stop says so by
    # its health, and gets no more calls.
    balancing = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": health_name}}
    return [
        ("grpc.service_config", json.dumps(balancing)),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # A service that comes back is found within a second; gRPC alone would wait up to two minutes.
        # (The minimum is how long an attempt to connect may take.)
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 2_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # So is one that comes back elsewhere; gRPC alone would ask for its address twice a minute at most.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ]


def _channel(target: str, authority: Path | None, own: Tls | None, options: list[tuple[str, str | int]]) -> aio.Channel:
    if authority is None:
        return aio.insecure_channel(target, options=options)
    key, certificate = (own.key.read_bytes(), own.certificate.read_bytes()) if own else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key, certificate)
    return aio.secure_channel(target, credentials, options=options)
