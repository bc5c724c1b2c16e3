"""What a failed call says: every Savepoint error carries a google.rpc.ErrorInfo, whose `reason` programs match on."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped] # it ships no types


def reason_of(error: grpc.RpcError) -> str | None:
    """The reason of a call that Savepoint refused, say "USERNAME_TAKEN"; None where the network failed."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return None
