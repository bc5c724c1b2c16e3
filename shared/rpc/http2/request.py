"""The request of one call as it comes in: bytes to messages, and how many of them wait for their handler."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from shared.contract.errors import FieldInvalid, Overloaded, SavepointError
from shared.rpc.http2.errors import StreamGoneError
from shared.rpc.http2.framing import MessageReader, Zipped


class Flow(Protocol):
    """The connection, as a request sees it."""

    loop: asyncio.AbstractEventLoop

    def release(self, stream_id: int, size: int) -> None:
        """Gives the client's window back for bytes that were taken in."""

    def hold(self, more: int) -> bool:
        """Counts bytes of requests that no handler has taken. Whether all of them together are few enough."""


class IncomingRequest:
    """One message, or a stream of them where `streamed`."""

    # What every request begins with. Defaults of the class, since making a request is a part of every call.
    #
    # The caller has sent all of it.
    _whole = False
    # The call has ended: nobody reads on.
    _closed = False
    # Bytes of messages that the handler has not taken, whole ones or not, as the connection has counted them.
    _held = 0
    # Bytes taken in that the caller's window has not been given back for.
    _unreleased = 0
    # The handler waits for the next message.
    _next: asyncio.Future[None] | None = None

    def __init__(self, flow: Flow, stream_id: int, encoding: bytes, *, streamed: bool) -> None:
        self._flow = flow
        self._stream_id = stream_id
        self._streamed = streamed
        # None once nothing more is read.
        self._reader: MessageReader | None = MessageReader(encoding)
        # Messages that the handler has not taken yet; an error stands for all that would follow.
        self._messages: deque[bytes | SavepointError] = deque()

    # What comes in.

    def receive(self, data: bytes) -> None:
        """A part of it is there. Raises FieldInvalid for what can never become a request, Overloaded."""
        reader = self._reader
        if reader is None:
            self._flow.release(self._stream_id, len(data))
            return
        begun = reader.held
        try:
            messages = reader.feed(data)
        except FieldInvalid:
            self._flow.release(self._stream_id, len(data))
            raise
        self._messages.extend(messages)
        if not self._streamed:
            self._flow.release(self._stream_id, len(data))
            if len(self._messages) > 1:
                raise FieldInvalid("request", f"must be one message, and has {len(self._messages)}")
        elif self._messages:
            # The window is given back once the handler has taken them: the caller goes no faster than it.
            self._unreleased += len(data)
            self._wake_handler()
        else:
            self._flow.release(self._stream_id, len(data))
        if not self._hold(self._held + reader.held - begun + sum(map(len, messages))):
            raise Overloaded("too many large requests are on their way at once; try again in a moment")

    def end(self) -> bytes | None:
        """The caller has sent all of it. Returns the message where it is to be one; None for a stream, and where
        nothing more is read. Raises FieldInvalid where it is not whole."""
        if self._reader is None:
            return None
        self._whole = True
        if self._reader.held:
            raise FieldInvalid("request", "ends in the middle of a message")
        if self._streamed:
            self._wake_handler()
            return None
        if not self._messages:
            raise FieldInvalid("request", "must be one message, and has none")
        return self._take()

    def fail(self, error: SavepointError) -> None:
        """Nothing more is read. The handler gets the error after what has come before it."""
        begun, self._reader = self._reader.held if self._reader else 0, None
        self._hold(self._held - begun)
        self._messages.append(error)
        self._wake_handler()

    def close(self) -> None:
        """Nothing more is read, and nobody takes what has come."""
        self._closed = True
        self._reader = None
        if self._held:
            self._messages.clear()
            self._hold(0)

    # What the handler takes.

    async def messages(self) -> AsyncIterator[bytes]:
        """Those of a stream, each when it comes. Raises as `next_message`."""
        while True:
            try:
                message = await self.next_message()
            except StopAsyncIteration:
                return
            yield message

    async def next_message(self) -> bytes:
        """The next one of a stream. Raises StopAsyncIteration after the last, FieldInvalid for bytes that are none,
        StreamGoneError."""
        while not self._messages:
            if self._closed:
                raise StreamGoneError
            # All that came was taken: the caller may send as much again.
            if self._unreleased:
                self._flow.release(self._stream_id, self._unreleased)
                self._unreleased = 0
            if self._whole:
                raise StopAsyncIteration
            self._next = self._flow.loop.create_future()
            await self._next
        return self._take()

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
        return not more or self._flow.hold(more)

    def _wake_handler(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
