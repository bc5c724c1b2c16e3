"""The one table from domain errors to gRPC statuses, and how a status carries its details.

Details are those of https://google.aip.dev/193: google.rpc.ErrorInfo always, BadRequest for a field, RetryInfo
where the same call may succeed a moment later.
"""

from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from shared import errors

DOMAIN = "savepoint"

# The key under which gRPC carries a serialized google.rpc.Status beside code and message.
DETAILS_KEY = "grpc-status-details-bin"

_CODES: dict[type[errors.SavepointError], StatusCode] = {
    errors.FieldInvalid: StatusCode.INVALID_ARGUMENT,
    errors.RequestIdReused: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.Unmet: StatusCode.FAILED_PRECONDITION,
    errors.EtagMismatch: StatusCode.ABORTED,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreUnavailable: StatusCode.UNAVAILABLE,
    errors.DependencyUnavailable: StatusCode.UNAVAILABLE,
    errors.Stopping: StatusCode.UNAVAILABLE,
    errors.DeadlineReached: StatusCode.DEADLINE_EXCEEDED,
    errors.Bug: StatusCode.INTERNAL,
    # A kind that has no line of its own yet.
    errors.SavepointError: StatusCode.INTERNAL,
}

_RETRY_AFTER_MS: dict[StatusCode, int] = {
    StatusCode.RESOURCE_EXHAUSTED: 200,
    StatusCode.UNAVAILABLE: 1000,
}


def code_of(error: errors.SavepointError) -> StatusCode:
    """The gRPC code an error is answered with: its own class's, or the nearest base's."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def number_of(error: errors.SavepointError) -> int:
    """The same as the number that goes over the wire."""
    number: int = code_of(error).value[0]
    return number


def trailers(error: errors.SavepointError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries the error's details."""
    status = status_pb2.Status(code=number_of(error), message=error.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(error.metadata))
    )
    if isinstance(error, errors.FieldInvalid):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.description, reason=error.reason
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if wait_ms := _RETRY_AFTER_MS.get(code_of(error)):
        delay = Duration()
        delay.FromMilliseconds(wait_ms)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return ((DETAILS_KEY, status.SerializeToString()),)


def details_of(serialized: bytes) -> list[any_pb2.Any]:
    """The details inside a received `grpc-status-details-bin` value."""
    return list(status_pb2.Status.FromString(serialized).details)
