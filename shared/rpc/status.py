"""The one table from domain errors to gRPC statuses, the way back, and how a status carries its details.

Details are those of https://google.aip.dev/193: google.rpc.ErrorInfo always, BadRequest for a field, RetryInfo
where the same call may succeed a moment later.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from shared.contract import errors

DOMAIN = "savepoint"

# The key under which gRPC carries a serialized google.rpc.Status beside code and message.
DETAILS_KEY = "grpc-status-details-bin"

# What an answer's trailers may take. HTTP/2 libraries refuse header lists over 8 KiB unless they are told otherwise,
# and some drop the connection, with the calls of everybody on it. The details travel as base64, 4 bytes for 3; the
# message percent-encoded, up to 3 bytes for one.
LARGEST_DETAILS = 3 * 1024
LARGEST_MESSAGE = 2 * 1024
_PERCENT_ENCODED = 3

_CODES: dict[type[errors.SavepointError], StatusCode] = {
    errors.FieldInvalid: StatusCode.INVALID_ARGUMENT,
    errors.RequestIdReused: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.PreconditionFailed: StatusCode.FAILED_PRECONDITION,
    errors.NotSupportedByStore: StatusCode.FAILED_PRECONDITION,
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

# The way back. Errors of these kinds are told by their code, and have whatever reason they were raised with; those of
# the other kinds are told by their reason, and have always the same one.
_KINDS: dict[int, Callable[..., errors.SavepointError]] = {
    StatusCode.NOT_FOUND.value[0]: errors.NotFound,
    StatusCode.ALREADY_EXISTS.value[0]: errors.AlreadyExists,
    StatusCode.FAILED_PRECONDITION.value[0]: errors.PreconditionFailed,
}
_BY_REASON: dict[str, Callable[[str, Mapping[str, str]], errors.SavepointError]] = {
    "FIELD_INVALID": lambda message, metadata: _field_invalid(message, metadata.get("field", "")),
    "REQUEST_ID_REUSED": lambda _, metadata: errors.RequestIdReused(metadata.get("request_id", "")),
    "NOT_SUPPORTED_BY_STORE": lambda message, metadata: _not_supported(message, metadata),
    "ETAG_MISMATCH": lambda _, metadata: errors.EtagMismatch(metadata.get("current_etag", "")),
    "OVERLOADED": lambda message, _: errors.Overloaded(message),
    "STORE_UNAVAILABLE": lambda _, metadata: errors.StoreUnavailable(metadata.get("store", "")),
    "SERVICE_UNAVAILABLE": lambda _, metadata: errors.DependencyUnavailable(metadata.get("service", "")),
    "SERVICE_STOPPING": lambda *_: errors.Stopping(),
    "DEADLINE_EXCEEDED": lambda *_: errors.DeadlineReached(),
    "BUG": lambda *_: errors.Bug(),
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


def message_of(error: errors.SavepointError) -> str:
    """The message as it goes into `grpc-message`: no longer than LARGEST_MESSAGE once it is percent-encoded."""
    safe = LARGEST_MESSAGE // _PERCENT_ENCODED
    if len(error.message.encode()) <= safe or _encoded_size(error.message) <= LARGEST_MESSAGE:
        return error.message
    return errors.cut(error.message, safe)


def trailers(error: errors.SavepointError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries the error's details."""
    return ((DETAILS_KEY, serialized(error)),)


def serialized(error: errors.SavepointError) -> bytes:
    """The error as a google.rpc.Status with its details: LARGEST_DETAILS at most."""
    violation = (error.field, error.description) if isinstance(error, errors.FieldInvalid) else None
    return _details(code_of(error), error.reason, error.message, tuple(error.metadata.items()), violation)


def error_of(received: status_pb2.Status) -> errors.SavepointError | None:
    """The error that a status was made of; None for one that is not Savepoint's, or of a kind not known here yet."""
    info = error_details_pb2.ErrorInfo()
    if not any(detail.Unpack(info) for detail in received.details) or info.domain != DOMAIN:
        return None
    if make := _BY_REASON.get(info.reason):
        return make(received.message, info.metadata)
    if kind := _KINDS.get(received.code):
        return kind(info.reason, received.message, **info.metadata)
    return None


def error_in(trailers: Iterable[tuple[str, str | bytes]]) -> errors.SavepointError | None:
    """Likewise for the trailing metadata of a call that failed."""
    for key, value in trailers:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return error_of(status_pb2.Status.FromString(value))
            except DecodeError:
                # Somebody else's, who means something else by this key.
                return None
    return None


def details_of(serialized: bytes) -> list[any_pb2.Any]:
    """The details inside a received `grpc-status-details-bin` value."""
    return list(status_pb2.Status.FromString(serialized).details)


# Cached, because the same refusals are sent again and again in a flood, when there is least time to build them.
@lru_cache(maxsize=256)
def _details(
    code: StatusCode,
    reason: str,
    message: str,
    metadata: tuple[tuple[str, str], ...],
    violation: tuple[str, str] | None,
) -> bytes:
    """A serialized google.rpc.Status; `violation` is a field and what it must be."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(metadata))
    more: list[Message] = []
    if violation:
        field, description = violation
        invalid = error_details_pb2.BadRequest.FieldViolation(field=field, description=description, reason=reason)
        more.append(error_details_pb2.BadRequest(field_violations=[invalid]))
    if wait_ms := _RETRY_AFTER_MS.get(code):
        delay = Duration()
        delay.FromMilliseconds(wait_ms)
        more.append(error_details_pb2.RetryInfo(retry_delay=delay))
    details = _status(code, message, [info, *more])
    if len(details) > LARGEST_DETAILS:
        # Whatever it was, programs match on the reason.
        details = _status(code, message, [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)])
    return details


def _field_invalid(message: str, field: str) -> errors.FieldInvalid:
    return errors.FieldInvalid(field, message.removeprefix(f"{field}: "))


def _not_supported(message: str, metadata: Mapping[str, str]) -> errors.NotSupportedByStore:
    ability, store = metadata.get("ability", ""), metadata.get("store", "")
    # What stands behind the first colon is what to use.
    return errors.NotSupportedByStore(ability, store, message.partition(": ")[2])


def _status(code: StatusCode, message: str, details: Iterable[Message]) -> bytes:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        # A map's order differs from process to process otherwise, and a repeated refusal would differ with it.
        status.details.add().Pack(detail, deterministic=True)
    made: bytes = status.SerializeToString()
    return made


def _encoded_size(message: str) -> int:
    """The size of a `grpc-message`: printable ASCII but for "%" stands for itself, any other byte takes three."""
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else _PERCENT_ENCODED for byte in message.encode())
