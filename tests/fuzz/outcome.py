"""What came of one call, and whether that is a fault."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from shared.rpc.status import DETAILS_KEY, details_of

# What gRPC and the gateway say by themselves, before a service could give a reason.
_WITHOUT_REASON = {StatusCode.DEADLINE_EXCEEDED}
# A suite that is sent sixteen calls at a time has room for them, and its stores answer.
_NEVER_WITH_TIME = {StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE}
_NEVER = {StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.CANCELLED, StatusCode.DATA_LOSS}


@dataclass(frozen=True)
class Outcome:
    """A call's status, the answer if there was one, and what is wrong with it."""

    code: str
    answer: Message | None = None
    fault: str = ""


def answered(raw: bytes, kind: type[Message]) -> Outcome:
    """An answer, which must be readable."""
    try:
        return Outcome("OK", kind.FromString(raw))
    except DecodeError as error:
        return Outcome("OK", fault=f"an answer of {len(raw)} bytes cannot be read: {error}")


def refused(error: aio.AioRpcError, was_long: bool) -> Outcome:
    """A refusal, which must be of the documented kinds, and say why. `was_long`: the call had all the time it needs."""
    code, said = error.code(), f"{error.code().name}: {(error.details() or '')[:300]}"
    if code in _NEVER or (was_long and code in _NEVER_WITH_TIME):
        # An answer over the client's 4 MiB ends here, too.
        return Outcome(code.name, fault=said)
    try:
        reason = _reason(error)
    except DecodeError:
        return Outcome(code.name, fault=f"details that cannot be read: {said}")
    if not reason and code not in _WITHOUT_REASON:
        return Outcome(code.name, fault=f"no reason given: {said}")
    return Outcome(code.name)


def _reason(error: aio.AioRpcError) -> str:
    info: Any = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in details_of(value):
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
