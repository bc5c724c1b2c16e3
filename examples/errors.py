"""What a failed call, or a failed part of a batch, says: every Savepoint error carries a google.rpc.ErrorInfo, whose
`reason` programs match on."""

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped] # it ships no types


def reason_of(error: grpc.RpcError) -> str | None:
    """The reason of a call that Savepoint refused, say "USERNAME_TAKEN"; None where the network failed."""
    status = rpc_status.from_call(error)
    return reason_in(status) if status else None


def reason_in(status: status_pb2.Status) -> str | None:
    """The reason in a status, say "LEADERBOARD_NOT_FOUND" of one score of a batch; None where it names none."""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return None
