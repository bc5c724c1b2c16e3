"""One call on an HTTP/2 connection: its request coming in, its handler, its answer going out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from grpc import aio
from httpunk import H2Reason, HeaderMap

from shared.contract.errors import Bug, DeadlineReached, FieldInvalid, Overloaded, SavepointError, Stopping
from shared.rpc import status
from shared.rpc.http2 import timeout
from shared.rpc.http2.bounds import LONGEST_WRITE_S, MOST_METADATA_BYTES
from shared.rpc.http2.context import Context
from shared.rpc.http2.framing import ENCODINGS, GZIP, IDENTITY, MessageReader, Zipped, framed, framed_gzip
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
from shared.rpc.methods import Served
from shared.rpc.policies import Call
from shared.rpc.policies.call import Request

if TYPE_CHECKING:
    from httpunk._httpunk import H2FrameHeaders

    from shared.rpc.http2.connection import Connection

_log = logging.getLogger("savepoint.http2")

_UNIMPLEMENTED, _RESOURCE_EXHAUSTED = 12, 8
_METHOD_NOT_ALLOWED, _UNSUPPORTED_MEDIA_TYPE = 405, 415
_GRPC = (b"application/grpc", b"application/grpc+proto")


class StreamGoneError(asyncio.CancelledError):
    """Nobody reads the answer any more. For a handler it is what its cancellation is, which is on its way."""


class TornError(Exception):
    """A servicer gave up sending a message in its middle, and goes on as if it had not begun."""


class Stream:
    """One call. Made ahead of its first frame, and begun with it."""

    # What every stream begins with. Defaults of the class, since making a stream is a part of every call.
    id = 0
    headers: HeaderMap
    served: Served
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
    # None before the head of the request, and once nothing more is read.
    _reader: MessageReader | None = None
    # Messages that the handler has not taken yet; an error stands for all that would follow.
    _messages: deque[bytes | SavepointError]
    # The caller has sent all of the request.
    _whole = False
    # Bytes of messages that the handler has not taken, whole ones or not, as the connection has counted them.
    _held = 0
    # Bytes taken in that the caller's window has not been given back for.
    _unreleased = 0
    # The handler waits for the next message; for room to write.
    _next: asyncio.Future[None] | None = None
    _room: asyncio.Future[None] | None = None
    # Ends a request that never becomes whole.
    _timer: asyncio.TimerHandle | None = None
    # The handler gave up a message in the middle: nothing more can follow it.
    _torn = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages = deque()

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
            # Before all else: httpunk leaves out the fields beyond its own limit, whichever they are.
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
        reader = self._reader
        if reader is None:
            self._connection.release(self, len(data))
            return
        begun = reader.held
        try:
            messages = reader.feed(data)
        except FieldInvalid as error:
            self._connection.release(self, len(data))
            self._fail(error)
            return
        self._messages.extend(messages)
        if self.served.method.streams_requests:
            if self._messages:
                # The window is given back once the handler has taken them: the caller goes no faster than it.
                self._unreleased += len(data)
                self._wake_handler()
            else:
                self._connection.release(self, len(data))
        else:
            self._connection.release(self, len(data))
            if len(self._messages) > 1:
                self._fail(FieldInvalid("request", f"must be one message, and has {len(self._messages)}"))
                return
        if not self._hold(self._held + reader.held - begun + sum(map(len, messages))):
            self._fail(Overloaded("too many large requests are on their way at once; try again in a moment"))

    def end_of_request(self) -> None:
        """The caller has sent all of it."""
        if self._reader is None:
            return
        self._whole = True
        if self._reader.held:
            self._fail(FieldInvalid("request", "ends in the middle of a message"))
        elif self.served.method.streams_requests:
            self._wake_handler()
        elif self._messages:
            try:
                self._start(self._take())
            except FieldInvalid as error:
                self._fail(error)
        else:
            self._fail(FieldInvalid("request", "must be one message, and has none"))

    def await_request(self, longest_s: float) -> None:
        """The request has begun and is not whole. It must be by the caller's deadline, in `longest_s` at the latest."""
        if self.task is None and not self.ended:
            at = self._connection.loop.time() + longest_s
            self._timer = self._connection.loop.call_at(
                at if self.deadline is None else min(at, self.deadline), self._fail, DeadlineReached()
            )

    async def next_message(self) -> bytes:
        """The next one of a stream of requests. Raises StopAsyncIteration after the last, FieldInvalid for bytes that
        are none, StreamGoneError."""
        while not self._messages:
            if self.ended:
                raise StreamGoneError
            # All that came was taken: the caller may send as much again.
            if self._unreleased:
                self._connection.release(self, self._unreleased)
                self._unreleased = 0
            if self._whole:
                raise StopAsyncIteration
            self._next = self._connection.loop.create_future()
            await self._next
        return self._take()

    def reset(self, reason: H2Reason) -> None:
        """Ends the stream without an answer."""
        self._connection.reset(self, reason)
        self.lose()

    def lose(self) -> None:
        """The caller has reset the stream, or the connection is gone: its handler is cancelled."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()
            # One that had not begun keeps its frame, and that this stream: both would stay until the next collection.
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
        self._connection.send_head(self, head)
        self._head_sent = True

    async def write(self, message: bytes, *, gzip: bool) -> None:
        """Sends one message of the answer; waits while the reader has no room for it, until the caller's deadline and
        for LONGEST_WRITE_S at most. Raises StreamGoneError; TornError where the handler gave up the message before in
        its middle."""
        if self._torn:
            raise TornError
        data = framed_gzip(message) if gzip else framed(message)
        sent = self._connection.send_data(self, data, 0)
        if sent == len(data):
            return
        loop = self._connection.loop
        until = loop.time() + LONGEST_WRITE_S
        # Who reads no further does not keep the answer in our memory.
        patience = loop.call_at(min(until, self.deadline or until), self.reset, H2Reason.CANCEL)
        try:
            while sent < len(data):
                self._room = loop.create_future()
                await self._room
                sent = self._connection.send_data(self, data, sent)
        finally:
            patience.cancel()
            self._torn = sent < len(data)

    def make_room(self) -> None:
        """The reader has room again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # In between: the handler.

    def _accept(self, served: Served, encoding: bytes) -> None:
        self.served = served
        self._reader = MessageReader(encoding)
        headers = self.headers
        self.reads_gzip = GZIP in headers.get("grpc-accept-encoding", b"")
        if (waits := headers.get("grpc-timeout")) is not None:
            try:
                self.deadline = self._connection.loop.time() + timeout.seconds(waits)
            except FieldInvalid as error:
                self._fail(error)
                return
        if served.method.streams_requests:
            self._start(self._requests())

    async def _requests(self) -> AsyncIterator[bytes]:
        while True:
            try:
                message = await self.next_message()
            except StopAsyncIteration:
                return
            yield message

    def _start(self, request: Request) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.task = self._connection.start(self._run(request))

    async def _run(self, request: Request) -> None:
        context = self._context = Context(self)
        try:
            # How an aborted call ends, its context says as for any other.
            with suppress(aio.AbortError):
                answer = await self.served.way(Call(self.served.method, context, request))
                if answer is not None:
                    self.send_head(gzip=context.gzip)
                    await self.write(answer, gzip=context.compresses_message())
                if self._torn:
                    raise TornError
            self._finish(*context.status())
        except StreamGoneError:
            self.gone = True
            self._end()
        except asyncio.CancelledError:
            # It ends here, where the task does: raised on, it would stay with the task, and with it all that this call
            # has in memory, until the garbage is collected.
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
            # The two know each other: left so, the answer would stay in memory until the garbage is collected.
            self._context = None

    def _fail(self, error: SavepointError) -> None:
        """Nothing more is read. The policies answer the error as any other."""
        begun, self._reader = self._reader.held if self._reader else 0, None
        if self.task is None:
            self._messages.clear()
            self._hold(0)
            self._start(error)
        else:
            self._hold(self._held - begun)
            self._messages.append(error)
            self._wake_handler()

    def _finish_with(self, error: SavepointError) -> None:
        self._finish(status.number_of(error), status.message_of(error), status.trailers(error))

    def _finish(self, code: int, message: str, metadata: Metadata) -> None:
        """Sends the status: all of the answer is on its way."""
        if self.ended:
            return
        try:
            if not self._head_sent:
                self._connection.send_head(self, status_alone(code, message, metadata), end=True)
            elif code == 0 and not message and not metadata:
                self._connection.send_trailers(self, OK)
            else:
                self._connection.send_trailers(self, HeaderMap(trailers(code, message, metadata)))
        except StreamGoneError:
            self.gone = True
        self._end()

    def _refuse_http(self, code: int) -> None:
        """For what is no gRPC at all."""
        self._connection.send_head(self, HeaderMap(), http_status=code, end=True)
        self._end()

    def _end(self) -> None:
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._reader = None
        if self._held:
            self._messages.clear()
            self._hold(0)
        self._connection.forget(self)

    def _take(self) -> bytes:
        """The first message that has come. Raises what stands in its place."""
        message = self._messages.popleft()
        if isinstance(message, SavepointError):
            raise message
        self._hold(self._held - len(message))
        return message.unzipped() if isinstance(message, Zipped) else message

    def _hold(self, size: int) -> bool:
        """Says how many bytes of the request wait here. Whether that is few enough."""
        more, self._held = size - self._held, size
        return not more or self._connection.hold(more)

    def _wake_handler(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)


def _size(headers: HeaderMap) -> int:
    """As RFC 9113 counts: each name, its value, and 32."""
    size = 0
    for name, value in headers.raw_items():
        size += len(name) + len(value) + 32
    return size
