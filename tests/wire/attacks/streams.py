"""Streams that are used in an order that HTTP/2 does not allow, or never ended."""

import struct

from grpc_reflection.v1alpha import reflection_pb2

from tests.wire import frames
from tests.wire.connection import Answer, call, connected, request
from tests.wire.registry import attack
from tests.wire.target import Target


async def _each(target: Target, *pieces: bytes) -> Answer:
    seen = Answer()
    for piece in pieces:
        async with connected(target) as connection:
            await connection.send(piece)
            seen += await connection.settle()
    return seen


@attack()
async def stream_ids_that_cannot_be(target: Target, size: int) -> Answer:
    """HEADERS on stream 0, on an even stream, and on one lower than the last."""
    block = frames.block(request("GetEntry"))
    body = frames.message(target.get_entry)
    back = call(5, "GetEntry", body) + call(3, "GetEntry", body)
    return await _each(target, frames.headers(0, block), frames.headers(2, block), back)


@attack()
async def a_stream_that_depends_on_itself(target: Target, size: int) -> Answer:
    """In PRIORITY and in HEADERS; deprecated, but RFC 9113 leaves it a stream error."""
    itself = struct.pack(">IB", 1, 15)
    flags = frames.WITH_PRIORITY | frames.END_HEADERS
    block = itself + frames.block(request("GetEntry"))
    body = frames.data(1, frames.message(target.get_entry), end=True)
    priority = frames.frame(frames.PRIORITY, 0, 1, itself)
    return await _each(target, priority, frames.frame(frames.HEADERS, flags, 1, block) + body)


@attack(small=100, full=10_000)
async def data_on_closed_streams(target: Target, size: int) -> Answer:
    """DATA on a call that has ended, has been answered, and has been reset."""
    body = frames.message(target.get_entry)
    seen = Answer()
    async with connected(target) as connection:
        await connection.send(call(1, "GetEntry", body) + frames.data(1, b"more"))
        seen += await connection.settle()
    async with connected(target) as connection:
        await connection.send(call(1, "GetEntry", body))
        await connection.answered(1)
        await connection.flood(frames.data(1, b"more"), size)
        seen += await connection.settle()
    async with connected(target) as connection:
        await connection.send(call(1, "GetEntry", body) + frames.reset(1))
        await connection.flood(frames.data(1, b"more"), size)
        return seen + await connection.settle()


@attack()
async def headers_on_a_stream_that_has_ended(target: Target, size: int) -> Answer:
    """The same call twice on one stream."""
    return await _each(target, 2 * call(1, "GetEntry", frames.message(target.get_entry)))


@attack()
async def trailers_from_the_client(target: Target, size: int) -> Answer:
    """Trailers after the message, which HTTP/2 allows and gRPC has no use for; then trailers that end nothing."""
    head = frames.headers(1, frames.block(request("GetEntry")))
    message = frames.data(1, frames.message(target.get_entry))
    trailers = frames.block([("x-trailer", "1")])
    seen = Answer()
    for flags in (frames.END_HEADERS | frames.END_STREAM, frames.END_HEADERS):
        async with connected(target) as connection:
            await connection.send(head + message + frames.headers(1, trailers, flags))
            await connection.answered(1)
            seen += await connection.settle()
    return seen


@attack()
async def goaway_midway(target: Target, size: int) -> Answer:
    """A client that says GOAWAY while its call is on the way: the call is answered."""
    async with connected(target) as connection:
        head = frames.headers(1, frames.block(request("GetEntry")))
        await connection.send(head + frames.goaway(0))
        await connection.send_body(1, frames.message(target.get_entry))
        await connection.answered(1)
        await connection.until(lambda: connection.closed, 0.2)
        # Whether it closes now or waits for us is the server's choice.
        connection.seen["gone"] += 1
        return connection.seen


@attack(small=500, full=10_000)
async def streams_never_finished(target: Target, size: int) -> Answer:
    """Calls that are opened and left, up to the server's limit and so many beyond it: refused, and once the
    others are given up there is room again."""
    async with connected(target) as connection:
        block = frames.block(request("GetEntry", timeout="20S"))
        limit = connection.settings.get(frames.MAX_CONCURRENT_STREAMS, size)
        opened = [connection.next_stream() for _ in range(limit + size // 10)]
        for at in range(0, len(opened), 200):
            if not await connection.send(b"".join(frames.headers(stream, block) for stream in opened[at : at + 200])):
                break
        await connection.until(lambda: len(connection.ended) >= size // 10, 1)
        left = [stream for stream in opened if stream not in connection.ended]
        # A few at a time, as callers give up.
        for at in range(0, len(left), 50):
            await connection.send(b"".join(frames.reset(stream) for stream in left[at : at + 50]))
        last = connection.next_stream()
        await connection.send(call(last, "GetEntry", frames.message(target.get_entry)))
        await connection.until(lambda: last in connection.ended)
        return await connection.settle()


@attack(small=500, full=5_000)
async def a_burst_of_small_messages(target: Target, size: int) -> Answer:
    """An ordinary stream of small messages, sent as fast as they can be: no attack, and each is answered."""
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    ask = frames.message(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
    async with connected(target, settings={frames.INITIAL_WINDOW_SIZE: frames.LARGEST_WINDOW}) as connection:
        await connection.send(frames.headers(1, frames.block(request(method, timeout="30S"))))
        await connection.send_body(1, ask * size, piece=len(ask))
        await connection.answered(1, 20)
        return await connection.settle()
