"""The request of one call as it comes in: bytes to messages, and how many of them wait for their handler."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from shared.contract.errors import FieldInvalid, Overloaded, SavepointError
from shared.rpc.http2.errors import StreamGoneError
from shared.rpc.http2.framing import MessageReader, Zipped


class FlowControl(Protocol):
    """The connection, as a request sees it."""

    loop: asyncio.AbstractEventLoop

    def release(self, stream_id: int, size: int) -> None:
        """Gives the client's window back for bytes that were taken in."""

    def hold(self, more: int) -> bool:
        """Counts bytes of requests that no handler has taken. Whether all of them together are few enough."""


class IncomingRequest(ABC):
    """What has come of a request. Making one is a part of every call."""

    __slots__ = ("_flow", "_held", "_reader", "_stream_id")

    def __init__(self, flow: FlowControl, stream_id: int, encoding: bytes) -> None:
        self._flow = flow
        self._stream_id = stream_id
        # None once nothing more is read.
        self._reader: MessageReader | None = MessageReader(encoding)
        # Bytes of messages that the handler has not taken, whole ones or not, as the connection has counted them.
        self._held = 0

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """A part of it is there. Raises FieldInvalid for what can never become a request, Overloaded."""

    @abstractmethod
    def end(self) -> bytes | None:
        """The caller has sent all of it. Returns the message of a call that takes one; None for a stream, and when
        nothing more is read. Raises FieldInvalid where it is not whole."""

    @abstractmethod
    def fail(self, error: SavepointError) -> None:
        """Nothing more is read. A handler that runs gets the error after what has come before it."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more is read, and nobody takes what has come."""

    @abstractmethod
    async def next_message(self) -> bytes:
        """The next one of a stream. Raises StopAsyncIteration after the last, FieldInvalid for bytes that are none,
        StreamGoneError."""

    def _hold(self, size: int) -> bool:
        """Tells the connection how many bytes of the request wait here. Returns whether that is few enough."""
        more, self._held = size - self._held, size
        return not more or self._flow.hold(more)


class SingleRequest(IncomingRequest):
    """One message; its handler starts when it is whole."""

    __slots__ = ("_message",)

    def __init__(self, flow: FlowControl, stream_id: int, encoding: bytes) -> None:
        super().__init__(flow, stream_id, encoding)
        self._message: bytes | None = None

    def receive(self, data: bytes) -> None:
        """Likewise."""
        self._flow.release(self._stream_id, len(data))
        reader = self._reader
        if reader is None:
            return
        begun = reader.held
        messages = reader.feed(data)
        size = reader.held - begun
        if messages:
            count = len(messages) + (self._message is not None)
            if count > 1:
                raise FieldInvalid("request", f"must be one message, and has {count}")
            self._message = messages[0]
            size += len(self._message)
        if size and not self._hold(self._held + size):
            raise too_much_held()

    def end(self) -> bytes | None:
        """Likewise."""
        reader, message = self._reader, self._message
        if reader is None:
            return None
        if reader.held:
            raise FieldInvalid("request", "ends in the middle of a message")
        if message is None:
            raise FieldInvalid("request", "must be one message, and has none")
        self._message = None
        if self._held:
            self._hold(0)
        return unzipped(message)

    def fail(self, error: SavepointError) -> None:
        """Likewise; its handler has had all of it."""
        self.close()

    def close(self) -> None:
        """Likewise."""
        self._reader = self._message = None
        if self._held:
            self._hold(0)

    async def next_message(self) -> bytes:
        """There is none after the one that the handler has."""
        raise StopAsyncIteration


class StreamedRequest(IncomingRequest):
    """Any number of messages, which the handler takes one by one while they come."""

    __slots__ = ("_closed", "_messages", "_next", "_unreleased", "_whole")

    def __init__(self, flow: FlowControl, stream_id: int, encoding: bytes) -> None:
        super().__init__(flow, stream_id, encoding)
        # Those that the handler has not taken yet; an error stands for all that would follow.
        self._messages: deque[bytes | SavepointError] = deque()
        # `_whole`: the caller has sent all messages. `_closed`: the call has ended, and nobody reads on.
        self._whole = False
        self._closed = False
        # Bytes that have come, but whose part of the caller's flow-control window was not given back yet.
        self._unreleased = 0
        # The handler waits for the next message.
        self._next: asyncio.Future[None] | None = None

    def receive(self, data: bytes) -> None:
        """Likewise."""
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
        if self._messages:
            # The window is given back only when the handler takes them, so that the caller sends no faster than it
            # reads.
            self._unreleased += len(data)
            self._wake_handler()
        else:
            self._flow.release(self._stream_id, len(data))
        if not self._hold(self._held + reader.held - begun + sum(map(len, messages))):
            raise too_much_held()

    def end(self) -> bytes | None:
        """Likewise."""
        if self._reader is None:
            return None
        self._whole = True
        if self._reader.held:
            raise FieldInvalid("request", "ends in the middle of a message")
        self._wake_handler()
        return None

    def fail(self, error: SavepointError) -> None:
        """Likewise."""
        begun, self._reader = self._reader.held if self._reader else 0, None
        self._hold(self._held - begun)
        self._messages.append(error)
        self._wake_handler()

    def close(self) -> None:
        """Likewise."""
        self._closed = True
        self._reader = None
        if self._held:
            self._messages.clear()
            self._hold(0)

    async def messages(self) -> AsyncIterator[bytes]:
        """All of them, each when it comes. Raises as `next_message`."""
        while True:
            try:
                message = await self.next_message()
            except StopAsyncIteration:
                return
            yield message

    async def next_message(self) -> bytes:
        """Likewise."""
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
        message = self._messages.popleft()
        if isinstance(message, SavepointError):
            raise message
        self._hold(self._held - len(message))
        return unzipped(message)

    def _wake_handler(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)


def unzipped(message: bytes) -> bytes:
    """A message as its handler takes it. Raises FieldInvalid."""
    return message.unzipped() if isinstance(message, Zipped) else message


def too_much_held() -> Overloaded:
    """The error for a request that there is no memory for."""
    return Overloaded("too many large requests are on their way at once; try again in a moment")
