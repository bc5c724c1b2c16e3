"""What a caller sees of a failed call."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
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
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retried = False
    for key, value in error.trailing_metadata():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in details_of(value):
                detail.Unpack(info)
                detail.Unpack(request)
                retried = detail.Unpack(retry) or retried
    return Failure(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        metadata=dict(info.metadata),
        field=request.field_violations[0].field if request.field_violations else "",
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retried else None,
    )
