"""What a servicer sees of its call: the public surface of grpc.aio.ServicerContext."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc
from grpc import aio
from httpunk import HeaderMap

from shared.rpc.http2.headers import Metadata, metadata_of
from shared.rpc.messages import serialized
from shared.rpc.methods import ServedMethod

_log = logging.getLogger("savepoint.http2")


class StreamForContext(Protocol):
    """The stream, as its context sees it."""

    headers: HeaderMap
    served: ServedMethod
    # On the loop's clock.
    deadline: float | None
    reads_gzip: bool
    # The caller has gone; the call has ended.
    gone: bool
    ended: bool

    @property
    def peer(self) -> str:
        """Where the call comes from."""

    @property
    def peer_identities(self) -> list[bytes] | None:
        """The names in the client's certificate."""

    def next_message(self) -> Awaitable[bytes]:
        """The next one of a stream of requests. Raises StopAsyncIteration after the last."""

    def send_head(self, metadata: Iterable[tuple[str, str | bytes]] = (), *, gzip: bool = False) -> None:
        """Sends the answer's head, once."""

    async def write(self, message: bytes, *, gzip: bool) -> None:
        """Sends one message of the answer."""


class Context(aio.ServicerContext[Any, Any]):
    """The context of one call on a stream."""

    # Defaults of the class: most calls change none of them, and making a context is a part of every call.
    _code: grpc.StatusCode | int | None = None
    _details = ""
    _metadata: Metadata | None = None
    _trailing: Metadata = ()
    _compress = False
    _compress_next = True
    _callbacks: tuple[Callable[[Any], None], ...] = ()

    def __init__(self, stream: StreamForContext) -> None:
        self._stream = stream

    # What the caller sent.

    def invocation_metadata(self) -> Any:
        """Pairs of key and value; the value is bytes where the key ends in -bin."""
        if self._metadata is None:
            self._metadata = metadata_of(self._stream.headers)
        return self._metadata

    def time_remaining(self) -> Any:
        """Seconds until the caller's deadline, None where there is none."""
        deadline = self._stream.deadline
        return None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())

    def peer(self) -> str:
        """Where the call comes from, say "ipv4:10.0.0.7:51234"."""
        return self._stream.peer

    def peer_identities(self) -> Iterable[bytes] | None:
        """The names in the client's certificate; None without one."""
        return self._stream.peer_identities

    def peer_identity_key(self) -> str | None:
        """Which part of the certificate the names are."""
        return "x509_subject_alternative_name" if self._stream.peer_identities else None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What is known of the connection's security."""
        identities = self._stream.peer_identities
        return {"x509_subject_alternative_name": identities} if identities else {}

    async def read(self) -> Any:
        """The next request of a stream; grpc.aio.EOF after the last."""
        try:
            return self._stream.served.method.parse(await self._stream.next_message())
        except StopAsyncIteration:
            return aio.EOF

    # What it is answered.

    async def write(self, message: Any) -> None:
        """Sends a message of a streamed answer, once the reader has room for it."""
        self._stream.send_head(gzip=self._compress)
        await self._stream.write(serialized(message), gzip=self.compresses_message())

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Sends metadata ahead of the answer."""
        self._stream.send_head(initial_metadata, gzip=self._compress)

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Metadata that follows the answer."""
        self._trailing = tuple(trailing_metadata)

    def trailing_metadata(self) -> Any:
        """What has been set."""
        return self._trailing

    def set_compression(self, compression: grpc.Compression) -> None:
        """Compresses the answer, where the caller reads gzip."""
        self._compress = compression == grpc.Compression.Gzip and self._stream.reads_gzip

    def disable_next_message_compression(self) -> None:
        """Sends the next message as it is."""
        self._compress_next = False

    # How it ends.

    def set_code(self, code: Any) -> None:
        """The status that the call ends with, or its number."""
        self._code = code

    def set_details(self, details: str) -> None:
        """The text that goes with it."""
        self._details = details

    def code(self) -> Any:
        """What has been set; None where nothing was."""
        return self._code

    def details(self) -> str:
        """What has been set."""
        return self._details

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """Ends the call with an error."""
        if code in (grpc.StatusCode.OK, 0):
            raise ValueError("a call cannot be aborted with OK")
        self._code, self._details = code, details
        if trailing_metadata:
            self._trailing = tuple(trailing_metadata)
        raise aio.AbortError

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """Likewise, with all of it in one."""
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    # Whether it has ended.

    def cancelled(self) -> bool:
        """Whether the caller has gone away."""
        return self._stream.gone

    def done(self) -> bool:
        """Whether the call has ended, however it did."""
        return self._stream.ended

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Called with this context when the call has ended."""
        self._callbacks = (*self._callbacks, callback)

    # For the stream.

    def end(self) -> None:
        """Calls those who asked to hear of the end."""
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception:
                _log.exception("a callback at the end of a call failed: this is a bug")

    @property
    def gzip(self) -> bool:
        """Whether the head says that messages are compressed."""
        return self._compress

    def status(self) -> tuple[int, str, Metadata]:
        """Code, text and trailing metadata that the call ends with."""
        code = self._code or 0
        return code if isinstance(code, int) else code.value[0], self._details, self._trailing

    def compresses_message(self) -> bool:
        """Whether the message that is about to be sent is compressed."""
        compressed = self._compress and self._compress_next
        self._compress_next = True
        return compressed
