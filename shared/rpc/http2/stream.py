"""One call on an HTTP/2 connection: the head of its request, its handler, its answer going out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

from grpc import aio
from httpunk import H2Reason, HeaderMap
from httpunk._httpunk import H2FrameHeaders

from shared.contract.errors import Bug, DeadlineReached, FieldInvalid, Overloaded, SavepointError, Stopping
from shared.rpc import status
from shared.rpc.http2 import timeout
from shared.rpc.http2.bounds import LONGEST_WRITE_S, MOST_METADATA_BYTES
from shared.rpc.http2.context import Context
from shared.rpc.http2.errors import StreamGoneError, TornError
from shared.rpc.http2.framing import ENCODINGS, GZIP, IDENTITY, framed, framed_gzip
from shared.rpc.http2.headers import (
    ACCEPTED_ENCODINGS,
    HEAD,
    HEAD_GZIP,
    OK,
    Metadata,
    header_pairs,
    status_alone,
    trailers,
)
from shared.rpc.http2.request import FlowControl, IncomingRequest, SingleRequest, StreamedRequest
from shared.rpc.methods import ServedMethod
from shared.rpc.policies import Call
from shared.rpc.policies.call import Request

_log = logging.getLogger("savepoint.http2")

_UNIMPLEMENTED, _RESOURCE_EXHAUSTED = 12, 8
_METHOD_NOT_ALLOWED, _UNSUPPORTED_MEDIA_TYPE = 405, 415
_GRPC = (b"application/grpc", b"application/grpc+proto")


class ConnectionForStreams(FlowControl, Protocol):
    """The connection, as its streams see it."""

    peer: str
    peer_identities: list[bytes] | None
    find: Callable[[str], ServedMethod | None]

    def start(self, handler: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a stream's handler."""

    def send_head(self, stream_id: int, head: HeaderMap, *, http_status: int = 200, end: bool = False) -> None:
        """Raises StreamGoneError."""

    def send_data(self, stream_id: int, data: bytes, at: int) -> int:
        """Sends from `at` on what there is room for. Returns how far that is. Raises StreamGoneError."""

    def send_trailers(self, stream_id: int, fields: HeaderMap) -> None:
        """Raises StreamGoneError."""

    def reset(self, stream_id: int, reason: H2Reason) -> None:
        """Sends RST_STREAM."""

    def forget(self, stream: "Stream") -> None:
        """The stream has ended."""


class Stream:
    """One call. Made ahead of its first frame, and begun with it."""

    # What every stream begins with. Defaults of the class, since making a stream is a part of every call.
    id = 0
    headers: HeaderMap
    served: ServedMethod
    # The caller's, on the loop's clock.
    deadline: float | None = None
    reads_gzip = False
    task: asyncio.Task[None] | None = None
    # The caller has reset the stream or closed the connection.
    gone = False
    # All of the answer is on its way, or nobody reads it.
    ended = False
    _context: Context | None = None
    _head_sent = False
    # None unless its head is one of a call of ours.
    _request: IncomingRequest | None = None
    # The handler waits for room to write.
    _room: asyncio.Future[None] | None = None
    # Ends a request that never becomes whole.
    _timer: asyncio.TimerHandle | None = None
    # The handler gave up a message in the middle: nothing more can follow it.
    _torn = False

    def __init__(self, connection: ConnectionForStreams) -> None:
        self._connection = connection

    @property
    def peer(self) -> str:
        """Where the call comes from."""
        return self._connection.peer

    @property
    def peer_identities(self) -> list[bytes] | None:
        """The names in the client's certificate."""
        return self._connection.peer_identities

    @property
    def waits_for_events(self) -> bool:
        """Whether its answer is a stream, which may end only when its reader wants: a stop does not wait for it."""
        return self.task is not None and self.served.method.streams_answers

    # The request, as it comes in.

    def begin(self, frame: H2FrameHeaders) -> None:
        """The head of the request is there. What cannot be a call of ours is answered at once."""
        self.headers = headers = frame.headers
        if frame.path is None or frame.scheme is None:
            self.reset(H2Reason.PROTOCOL_ERROR)
        elif _size(headers) + len(frame.path) > MOST_METADATA_BYTES:
            # Checked first: httpunk drops the fields beyond its own limit, and those may be the ones looked at below.
            self._finish(_RESOURCE_EXHAUSTED, f"path and metadata must have at most {MOST_METADATA_BYTES} bytes", ())
        elif frame.method != "POST":
            self._refuse_http(_METHOD_NOT_ALLOWED)
        elif headers.get("content-type", b"").partition(b";")[0] not in _GRPC:
            self._refuse_http(_UNSUPPORTED_MEDIA_TYPE)
        elif (served := self._connection.find(frame.path)) is None:
            self._finish(_UNIMPLEMENTED, "Savepoint has no such method; reflection lists what it has", ())
        elif (encoding := headers.get("grpc-encoding", IDENTITY)) not in ENCODINGS:
            accepted = (("grpc-accept-encoding", ACCEPTED_ENCODINGS),)
            self._finish(_UNIMPLEMENTED, f"grpc-encoding must be one of {ACCEPTED_ENCODINGS}", accepted)
        else:
            self._accept(served, encoding)

    def receive(self, data: bytes) -> None:
        """A part of the request is there."""
        if self._request is None:
            self._connection.release(self.id, len(data))
            return
        try:
            self._request.receive(data)
        except (FieldInvalid, Overloaded) as error:
            self._fail(error)

    def end_of_request(self) -> None:
        """The caller has sent all of it."""
        if self._request is None:
            return
        try:
            message = self._request.end()
        except FieldInvalid as error:
            self._fail(error)
        else:
            if message is not None:
                self._start(message)

    def await_request(self, longest_s: float) -> None:
        """The request has begun and is not whole. It must be by the caller's deadline, in `longest_s` at the latest."""
        if self.task is None and not self.ended:
            at = self._connection.loop.time() + longest_s
            self._timer = self._connection.loop.call_at(
                at if self.deadline is None else min(at, self.deadline), self._fail, DeadlineReached()
            )

    def next_message(self) -> Awaitable[bytes]:
        """The next one of a stream of requests. Raises StopAsyncIteration after the last, FieldInvalid for bytes that
        are none, StreamGoneError."""
        if self._request is None:
            raise StreamGoneError
        return self._request.next_message()

    def reset(self, reason: H2Reason) -> None:
        """Ends the stream without an answer."""
        self._connection.reset(self.id, reason)
        self.lose()

    def lose(self) -> None:
        """The caller has reset the stream, or the connection is gone: its handler is cancelled."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()
            # A task that has not begun keeps its frame, and the frame this stream: as a cycle, both would stay in
            # memory.
            self.task = None
        self._end()

    # The answer, as it goes out.

    def send_head(self, metadata: Iterable[tuple[str, str | bytes]] = (), *, gzip: bool = False) -> None:
        """Sends the answer's head, once. Raises StreamGoneError."""
        if self._head_sent:
            return
        head = HEAD_GZIP if gzip else HEAD
        if metadata:
            head = HeaderMap([*head.items(), *header_pairs(metadata)])
        self._connection.send_head(self.id, head)
        self._head_sent = True

    async def write(self, message: bytes, *, gzip: bool) -> None:
        """Sends one message of the answer; waits while the reader has no room for it, until the caller's deadline and
        for LONGEST_WRITE_S at most. Raises StreamGoneError; TornError where the handler gave up the message before in
        its middle."""
        if self._torn:
            raise TornError
        data = framed_gzip(message) if gzip else framed(message)
        sent = self._connection.send_data(self.id, data, 0)
        if sent == len(data):
            return
        loop = self._connection.loop
        until = loop.time() + LONGEST_WRITE_S
        # A client that does not read on must not keep its answer in our memory.
        patience = loop.call_at(min(until, self.deadline or until), self.reset, H2Reason.CANCEL)
        try:
            while sent < len(data):
                self._room = loop.create_future()
                await self._room
                sent = self._connection.send_data(self.id, data, sent)
        finally:
            patience.cancel()
            self._torn = sent < len(data)

    def make_room(self) -> None:
        """The reader has room again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # In between: the handler.

    def _accept(self, served: ServedMethod, encoding: bytes) -> None:
        self.served = served
        streamed = StreamedRequest(self._connection, self.id, encoding) if served.method.streams_requests else None
        self._request = streamed or SingleRequest(self._connection, self.id, encoding)
        headers = self.headers
        self.reads_gzip = GZIP in headers.get("grpc-accept-encoding", b"")
        if (waits := headers.get("grpc-timeout")) is not None:
            try:
                self.deadline = self._connection.loop.time() + timeout.seconds(waits)
            except FieldInvalid as error:
                self._fail(error)
                return
        if streamed is not None:
            self._start(streamed.messages())

    def _start(self, request: Request) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.task = self._connection.start(self._run(request))

    async def _run(self, request: Request) -> None:
        context = self._context = Context(self)
        try:
            try:
                answer = await self.served.way(Call(self.served.method, context, request))
                if answer is not None:
                    self.send_head(gzip=context.gzip)
                    await self.write(answer, gzip=context.compresses_message())
                if self._torn:
                    raise TornError
            except aio.AbortError:  # contextlib.suppress takes ten times as long
                # The context has code and text, as for any other call.
                pass
            self._finish(*context.status())
        except StreamGoneError:
            self.gone = True
            self._end()
        except asyncio.CancelledError:
            # The cancellation is not raised on: the task would keep it, and with it all that this call has in memory,
            # until the garbage collector runs.
            if not self.gone:
                # The host stops, and this call took longer than it waits.
                self._finish_with(Stopping())
        except Exception:
            # The policies log and answer what a call can fail with. This is the host's own failure, or an answer of the
            # servicer's that cannot be sent.
            _log.exception("call failed: this is a bug", extra={"rpc_method": self.served.method.path})
            self._finish_with(Bug())
        finally:
            context.end()
            # Context and stream refer to each other: as a cycle, they would keep the answer in memory until the garbage
            # collector runs.
            self._context = None

    def _fail(self, error: SavepointError) -> None:
        """Nothing more is read. The policies answer the error as any other."""
        if self.task is not None:
            if self._request is not None:
                self._request.fail(error)
            return
        if self._request is not None:
            self._request.close()
        self._start(error)

    def _finish_with(self, error: SavepointError) -> None:
        self._finish(status.number_of(error), status.message_of(error), status.trailers(error))

    def _finish(self, code: int, message: str, metadata: Metadata) -> None:
        """Sends the status: all of the answer is on its way."""
        if self.ended:
            return
        try:
            if not self._head_sent:
                self._connection.send_head(self.id, status_alone(code, message, metadata), end=True)
            elif code == 0 and not message and not metadata:
                self._connection.send_trailers(self.id, OK)
            else:
                self._connection.send_trailers(self.id, HeaderMap(trailers(code, message, metadata)))
        except StreamGoneError:
            self.gone = True
        self._end()

    def _refuse_http(self, code: int) -> None:
        """Answers a request that is not gRPC by an HTTP status."""
        self._connection.send_head(self.id, HeaderMap(), http_status=code, end=True)
        self._end()

    def _end(self) -> None:
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._request is not None:
            self._request.close()
        self._connection.forget(self)


def _size(headers: HeaderMap) -> int:
    """The size of a header list as RFC 9113 counts it: for each field its name, its value, and 32 bytes."""
    size = 0
    for name, value in headers.raw_items():
        size += len(name) + len(value) + 32
    return size
