"""What a failed call says, or a failed part of a batch. Every error of Savepoint carries details: a reason that
programs match on, and more."""

from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped] # it ships no types


@dataclass(frozen=True)
class Failure:
    """A failed call. `reason` is None where the error is not Savepoint's: the network failed, or the gateway."""

    code: grpc.StatusCode
    message: str
    reason: str | None = None
    # The values that the message speaks of, by name, say "have" and "need".
    metadata: dict[str, str] = field(default_factory=dict)
    # What each refused field must be, by the field's path, say "changes[2].player_id".
    fields: dict[str, str] = field(default_factory=dict)
    # How long to wait before the same call; None where waiting does not help.
    retry_after_s: float | None = None


def failure_of(error: grpc.RpcError) -> Failure:
    """What an error says that a stub has raised."""
    status = rpc_status.from_call(error)
    return failure_in(status) if status else Failure(error.code(), error.details() or "")


def failure_in(status: status_pb2.Status) -> Failure:
    """What a status says: that of a call, or that of one part of a batch."""
    info, invalid, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_after_s = None
    for detail in status.details:
        # Unpack fills in the message, and says True, only if the detail is of its type.
        detail.Unpack(info)
        detail.Unpack(invalid)
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return Failure(
        code=next(code for code in grpc.StatusCode if code.value[0] == status.code),
        message=status.message,
        reason=info.reason or None,
        metadata=dict(info.metadata),
        fields={violation.field: violation.description for violation in invalid.field_violations},
        retry_after_s=retry_after_s,
    )


def reason_of(error: grpc.RpcError) -> str | None:
    """The reason of a call that Savepoint refused, say "USERNAME_TAKEN"; None where the network failed."""
    return failure_of(error).reason


def reason_in(status: status_pb2.Status) -> str | None:
    """The reason in a status, say "LEADERBOARD_NOT_FOUND" of one score of a batch; None where it names none."""
    return failure_in(status).reason
