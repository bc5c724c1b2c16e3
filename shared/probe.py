"""Asks a service for its health. A container runs `python -m shared.probe` every few seconds: it imports nothing of
the service itself, and so costs a fifth of what `python -m services.<name> health` does."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_BOUND_S = 3


class NotServingError(Exception):
    """The service does not answer, or says that it cannot serve."""


def probe(listen: str) -> None:
    """Returns if the service at `listen` (host:port) is SERVING. Raises NotServingError."""
    # A container listens on all addresses and is asked from within.
    target = listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    with grpc.insecure_channel(target) as channel:
        try:
            check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
            answer = check(health_pb2.HealthCheckRequest(), timeout=_BOUND_S)
        except grpc.RpcError as error:
            raise NotServingError(f"nothing answers at {target}: {error.code().name}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise NotServingError(f"{target} is {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


if __name__ == "__main__":
    try:
        probe(os.environ["LISTEN"])
    except NotServingError as not_serving:
        sys.exit(str(not_serving))
