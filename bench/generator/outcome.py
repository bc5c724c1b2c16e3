"""What a call that did not end well is counted under: CODE, or CODE/REASON where the answer brought a reason."""

import base64
import binascii
from functools import lru_cache
from urllib.parse import unquote

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from httpunk.http import HeaderMap

# Not statuses of a server: what the generator itself found or did.
CANCELLED = "cancelled by the caller"
DEADLINE = "no answer within the deadline"
CONNECTION_LOST = "connection lost"
CANNOT_CONNECT = "cannot connect"
WRONG_ANSWER = "wrong answer"
UNANSWERED = "unanswered at the end"

_CODES = {code.value[0]: code.name for code in StatusCode}


def of_status(code: bytes | None, headers: HeaderMap) -> tuple[str, str]:
    """The name and the message of an answer that is not OK."""
    if code is None:
        return "no grpc-status", ""
    number = int(code) if code.isdigit() else -1
    name = _CODES.get(number) or f"grpc-status {code.decode(errors='replace')}"
    reason = _reason(headers.get("grpc-status-details-bin", b""))
    message = unquote(headers.get("grpc-message", b"").decode("ascii", "replace"))
    return f"{name}/{reason}" if reason else name, message


def of_reset(error_code: int | None) -> str:
    """The name of a stream that the server reset."""
    return f"reset with HTTP/2 error {error_code}"


@lru_cache(1024)
def _reason(details: bytes) -> str:
    info = ErrorInfo()
    try:
        for detail in Status.FromString(base64.b64decode(details + b"==")).details:
            if detail.Unpack(info):
                return str(info.reason)
    except (binascii.Error, DecodeError):
        return "unreadable details"
    return ""
