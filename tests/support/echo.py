"""A service of the tests' own on either host: bytes in, bytes out, with a method for each way in which calls can go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from shared.rpc import policies
from shared.rpc.host import ConnectionRules, Host, Tls
from shared.rpc.hosts import host as make_host
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

# As one of Savepoint's, so that every policy concerns it.
SERVICE = "savepoint.echo.v1.EchoService"
Context = aio.ServicerContext[bytes, bytes]


class Echo:
    """The servicer. It notes which of its calls were cancelled and how far they got."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.produced = 0
        self.taken = 0
        # What the next calls of `refuse` are answered with, one each.
        self.refusals: list[Exception] = []
        self.refuse_calls = 0

    async def unary(self, request: bytes, context: Context) -> bytes:
        """Answers what was asked."""
        return request

    async def sleep(self, request: bytes, context: Context) -> bytes:
        """Answers after so many seconds."""
        try:
            await asyncio.sleep(float(request))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return request

    async def metadata(self, request: bytes, context: Context) -> bytes:
        """Sends the caller's metadata back, ahead of the answer and behind it."""
        own = [(key, value) for key, value in context.invocation_metadata() or () if key.startswith("x-")]
        await context.send_initial_metadata(own)
        context.set_trailing_metadata(own)
        return str(context.peer()).encode()

    async def fail(self, request: bytes, context: Context) -> bytes:
        """Ends with a status of its own."""
        await context.abort(grpc.StatusCode.DATA_LOSS, request.decode(), (("x-why", "because"),))

    async def refuse(self, request: bytes, context: Context) -> bytes:
        """Raises the next of `refusals`; answers what was asked when none is left."""
        self.refuse_calls += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return request

    async def told(self, request: bytes, context: Context) -> bytes:
        """Answers what came with the call: the metadata, and "time_remaining" in seconds."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        return json.dumps({**metadata, "time_remaining": context.time_remaining()}).encode()

    async def split(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Answers each byte by itself."""
        for at in range(len(request)):
            yield request[at : at + 1]

    async def pour(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Answers with 64 KiB again and again, so many times."""
        for _ in range(int(request)):
            self.produced += 1
            yield bytes(65536)

    async def join(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        """Answers with all that came."""
        return b"".join([request async for request in requests])

    async def sip(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        """Takes one message and then none for long."""
        async for _ in requests:
            self.taken += 1
            await asyncio.sleep(30)
        return b""

    async def chat(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answers each message when it comes."""
        async for request in requests:
            yield request


class EchoHost:
    """A running host with the servicer on it."""

    def __init__(self, host: Host, servicer: Echo, metrics: Metrics) -> None:
        self.host = host
        self.servicer = servicer
        self.metrics = metrics
        self.address = ""

    def running(self) -> float:
        """How many handlers run."""
        return self.metrics._registry.get_sample_value("rpc_server_handlers_running") or 0.0


@asynccontextmanager
async def echo_host(
    name: str,
    *,
    most_in_flight: int = 1000,
    rules: ConnectionRules | None = None,
    tls: Tls | None = None,
    servicer: Echo | None = None,
) -> AsyncIterator[EchoHost]:
    """The host called `name`, serving; drained and stopped on the way out."""
    metrics = Metrics()
    host = make_host(name, policies.standard(metrics, Traces("echo", ""), most_in_flight, 10.0), rules)
    servicer = servicer or Echo()
    handlers: Any = {
        "Unary": grpc.unary_unary_rpc_method_handler(servicer.unary),
        "Sleep": grpc.unary_unary_rpc_method_handler(servicer.sleep),
        "Metadata": grpc.unary_unary_rpc_method_handler(servicer.metadata),
        "Fail": grpc.unary_unary_rpc_method_handler(servicer.fail),
        "Refuse": grpc.unary_unary_rpc_method_handler(servicer.refuse),
        "Told": grpc.unary_unary_rpc_method_handler(servicer.told),
        "Split": grpc.unary_stream_rpc_method_handler(servicer.split),
        "Pour": grpc.unary_stream_rpc_method_handler(servicer.pour),
        "Join": grpc.stream_unary_rpc_method_handler(servicer.join),
        "Sip": grpc.stream_unary_rpc_method_handler(servicer.sip),
        "Chat": grpc.stream_stream_rpc_method_handler(servicer.chat),
    }
    host.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    host.add_registered_method_handlers(SERVICE, handlers)
    echo = EchoHost(host, servicer, metrics)
    echo.address = await host.start("127.0.0.1:0", tls)
    try:
        yield echo
    finally:
        await host.drain(2)
        await host.stop()


def path(method: str) -> str:
    """The full name of a method."""
    return f"/{SERVICE}/{method}"


def unary_unary(channel: aio.Channel, method: str) -> "aio.UnaryUnaryMultiCallable[bytes, bytes]":
    """Calls a method by its name, or by its whole path."""
    return channel.unary_unary(path(method) if "/" not in method else method)


def unary_stream(channel: aio.Channel, method: str) -> "aio.UnaryStreamMultiCallable[bytes, bytes]":
    """Likewise."""
    return channel.unary_stream(path(method))


def stream_unary(channel: aio.Channel, method: str) -> "aio.StreamUnaryMultiCallable[bytes, bytes]":
    """Likewise."""
    return channel.stream_unary(path(method))


def stream_stream(channel: aio.Channel, method: str) -> "aio.StreamStreamMultiCallable[bytes, bytes]":
    """Likewise."""
    return channel.stream_stream(path(method))
