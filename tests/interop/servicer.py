"""gRPC's interoperability test service, as doc/interop-test-descriptions.md of the gRPC project says it behaves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc import aio

from tests.interop.protos.interop_pb2 import (
    COMPRESSABLE,
    BoolValue,
    EchoStatus,
    Empty,
    Payload,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingInputCallResponse,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
)
from tests.interop.protos.interop_pb2_grpc import TestServiceServicer

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"

Context = aio.ServicerContext[Any, Any]


class InteropServicer(TestServiceServicer):
    """All of TestService but UnimplementedCall."""

    def __init__(self, *, shows_request_encoding: bool) -> None:
        """`shows_request_encoding`: whether the host leaves `grpc-encoding` in the invocation metadata."""
        self._shows_request_encoding = shows_request_encoding

    async def EmptyCall(self, request: Empty, context: Context) -> Empty:
        await _echo_metadata(context)
        return Empty()

    async def UnaryCall(self, request: SimpleRequest, context: Context) -> SimpleResponse:
        await _check_payload_type(request.response_type, context)
        if request.HasField("expect_compressed"):
            await self._check_compressed(request.expect_compressed, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        # grpc.aio compresses a unary answer only when the initial metadata was sent before it.
        await _echo_metadata(context, at_once=request.response_compressed.value)
        await _echo_status(request.response_status, context)
        return SimpleResponse(payload=_zeros(request.response_size))

    async def StreamingOutputCall(
        self, request: StreamingOutputCallRequest, context: Context
    ) -> AsyncIterator[StreamingOutputCallResponse]:
        await _check_payload_type(request.response_type, context)
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        await _echo_metadata(context)
        async for response in _responses(request, context):
            yield response
        await _echo_status(request.response_status, context)

    async def StreamingInputCall(
        self, request_iterator: AsyncIterator[StreamingInputCallRequest], context: Context
    ) -> StreamingInputCallResponse:
        await _echo_metadata(context)
        size = 0
        async for request in request_iterator:
            if request.HasField("expect_compressed"):
                await self._check_compressed(request.expect_compressed, context)
            size += len(request.payload.body)
        return StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(
        self, request_iterator: AsyncIterator[StreamingOutputCallRequest], context: Context
    ) -> AsyncIterator[StreamingOutputCallResponse]:
        await _echo_metadata(context)
        async for request in request_iterator:
            await _check_payload_type(request.response_type, context)
            await _echo_status(request.response_status, context)
            async for response in _responses(request, context):
                yield response

    async def HalfDuplexCall(
        self, request_iterator: AsyncIterator[StreamingOutputCallRequest], context: Context
    ) -> AsyncIterator[StreamingOutputCallResponse]:
        await _echo_metadata(context)
        requests = [request async for request in request_iterator]
        for request in requests:
            async for response in _responses(request, context):
                yield response

    async def _check_compressed(self, expected: BoolValue, context: Context) -> None:
        """Refuses an uncompressed request where a compressed one was promised.

        A servicer sees the encoding of a call at most, and never the flag of a message. So a message that was promised
        to be uncompressed passes; test_protocol.py looks at the flags.
        """
        encoding = dict(context.invocation_metadata() or ()).get("grpc-encoding", "identity")
        if expected.value and self._shows_request_encoding and encoding == "identity":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "expect_compressed, but it is not compressed")


async def _responses(
    request: StreamingOutputCallRequest, context: Context
) -> AsyncIterator[StreamingOutputCallResponse]:
    for parameters in request.response_parameters:
        await _pause(parameters)
        if parameters.HasField("compressed") and not parameters.compressed.value:
            context.disable_next_message_compression()
        yield StreamingOutputCallResponse(payload=_zeros(parameters.size))


async def _pause(parameters: ResponseParameters) -> None:
    if parameters.interval_us > 0:
        await asyncio.sleep(parameters.interval_us / 1e6)


async def _echo_metadata(context: Context, *, at_once: bool = False) -> None:
    received = context.invocation_metadata() or ()
    context.set_trailing_metadata(tuple((key, value) for key, value in received if key == ECHO_TRAILING))
    initial = tuple((key, value) for key, value in received if key == ECHO_INITIAL)
    if initial or at_once:
        await context.send_initial_metadata(initial)


async def _echo_status(status: EchoStatus, context: Context) -> None:
    for code in grpc.StatusCode:
        if status.code and code.value[0] == status.code:
            await context.abort(code, status.message)


async def _check_payload_type(payload_type: int, context: Context) -> None:
    if payload_type != COMPRESSABLE:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"response_type {payload_type} is not known")


def _zeros(size: int) -> Payload:
    return Payload(type=COMPRESSABLE, body=bytes(size))
