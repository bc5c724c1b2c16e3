"""Bytes to messages. It is done here and not by the host, because grpc.aio answers bytes that do not parse with
INTERNAL, and what is too large without a reason."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import DecodeError

from shared.contract.errors import FieldInvalid, SavepointError
from shared.contract.json_struct import DEEPEST
from shared.rpc.messages import LARGEST_REQUEST, too_large
from shared.rpc.policies.call import Call, Method, Policy, Step


class Parsing(Policy):
    """Makes the request's messages. Refuses what is too large, and bytes that are no message of the method's type."""

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed` with messages instead of bytes, for a unary request and for each message of a stream."""

        async def unary(call: Call) -> bytes | None:
            if isinstance(call.request, SavepointError):
                raise call.request
            call.request = _message(call.request, method)
            return await proceed(call)

        async def streaming(call: Call) -> bytes | None:
            if isinstance(call.request, SavepointError):
                raise call.request
            call.request = _messages(call.request, method)
            return await proceed(call)

        return streaming if method.streams_requests else unary


async def _messages(raw: AsyncIterator[bytes], method: Method) -> AsyncIterator[Any]:
    async for one in raw:
        yield _message(one, method)


def _message(raw: bytes, method: Method) -> Any:
    if len(raw) > LARGEST_REQUEST:
        raise too_large(len(raw))
    try:
        return method.parse(raw)
    except DecodeError as error:
        text = "must be a message of the method's type; these bytes are none, or are nested too deeply"
        raise FieldInvalid("request", f"{text} (a Struct may have {DEEPEST} levels)") from error
