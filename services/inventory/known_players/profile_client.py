"""The profile service, as far as inventory asks it."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import grpc
from grpc import aio
from savepoint.profile.v1.profile_pb2 import BatchGetPlayersRequest, BatchGetPlayersResponse
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from shared.contract.errors import DependencyUnavailable
from shared.rpc.host import Tls
from shared.telemetry.traces import Traces
from shared.work import deadline
from shared.work.retry import Retrier, Transient, TransientError

_log = logging.getLogger("savepoint.profile_client")

SERVICE = "profile"
CALL_BOUND_S = 5.0

_OPTIONS = [
    # Every replica of profile gets its share; gRPC alone would stay with one of them. A replica that is about to stop
    # says so by its health, and gets no more calls.
    (
        "grpc.service_config",
        '{"loadBalancingConfig": [{"round_robin": {}}],'
        ' "healthCheckConfig": {"serviceName": "savepoint.profile.v1.ProfileService"}}',
    ),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A profile service that comes back is found within a second; gRPC alone would wait up to two minutes.
    # (The minimum is how long an attempt to connect may take.)
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # So is one that comes back elsewhere; gRPC alone would ask for its address twice a minute at most.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
]


class ProfileClient:
    """One channel to the profile service. Made by `connect`."""

    def __init__(self, channel: aio.Channel, traces: Traces) -> None:
        self._stub = ProfileServiceStub(channel)
        self._traces = traces
        self._retrier = Retrier()

    async def existing(self, player_ids: Sequence[UUID]) -> set[UUID]:
        """Those of up to 1,000 ids that players have. Raises DependencyUnavailable."""
        request = BatchGetPlayersRequest(player_ids=[str(player_id) for player_id in player_ids])
        try:
            response = await self._retrier.run(lambda: self._batch_get_players(request))
        except TransientError as error:
            raise DependencyUnavailable(SERVICE) from error
        # Every missing id is in the answer, even where not every player fits into it.
        return set(player_ids).difference(map(UUID, response.missing_player_ids))

    async def _batch_get_players(self, request: BatchGetPlayersRequest) -> BatchGetPlayersResponse:
        call = self._stub.BatchGetPlayers(
            request, timeout=deadline.remaining(CALL_BOUND_S), metadata=self._traces.outgoing()
        )
        try:
            return await call
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise TransientError(Transient.CONNECTION_TIMEOUT) from error
            _log.warning("the profile service failed", extra={"code": error.code().name, "details": error.details()})
            raise DependencyUnavailable(SERVICE) from error
        finally:
            # A call that is left behind is not cancelled by itself, and never freed.
            call.cancel()


@asynccontextmanager
async def connect(target: str, authority: Path | None, own: Tls | None, traces: Traces) -> AsyncIterator[ProfileClient]:
    """A client with its channel, closed on the way out. The profile service may be down.

    With `authority`, the one of profile's certificate, calls are encrypted, and `own` proves who calls.
    """
    async with _channel(target, authority, own) as channel:
        yield ProfileClient(channel, traces)


def _channel(target: str, authority: Path | None, own: Tls | None) -> aio.Channel:
    if authority is None:
        return aio.insecure_channel(target, options=_OPTIONS)
    key, certificate = (own.key.read_bytes(), own.certificate.read_bytes()) if own else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key, certificate)
    return aio.secure_channel(target, credentials, options=_OPTIONS)
