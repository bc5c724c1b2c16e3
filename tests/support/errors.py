"""What a caller sees of a failed call."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from shared.rpc.status import DETAILS_KEY, details_of


@dataclass(frozen=True)
class Failure:
    """A status with its details unpacked."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    field: str
    retry_after_s: float | None


async def failure(call: Awaitable[Any]) -> Failure:
    """The failure of a call that must fail."""
    with pytest.raises(aio.AioRpcError) as raised:
        await call
    return failure_of(raised.value)


def failure_of(error: aio.AioRpcError) -> Failure:
    """The failure inside an RPC error."""
    details = [
        detail
        for key, value in error.trailing_metadata()
        if key == DETAILS_KEY and isinstance(value, bytes)
        for detail in details_of(value)
    ]
    return _unpacked(error.code(), error.details() or "", details)


def failure_in(status: status_pb2.Status) -> Failure:
    """The failure that one part of a batch was answered with."""
    [code] = [code for code in grpc.StatusCode if code.value[0] == status.code]
    return _unpacked(code, status.message, status.details)


def _unpacked(code: grpc.StatusCode, message: str, details: Iterable[any_pb2.Any]) -> Failure:
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retried = False
    for detail in details:
        detail.Unpack(info)
        detail.Unpack(request)
        retried = detail.Unpack(retry) or retried
    return Failure(
        code=code,
        message=message,
        reason=info.reason,
        metadata=dict(info.metadata),
        field=request.field_violations[0].field if request.field_violations else "",
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retried else None,
    )
