"""A gRPC client that shows the frames: HTTP/2 by the `h2` package, nothing hidden or repeated, every wait bounded.

`connect` opens a connection, `Connection.open` a stream on it, `Stream.answer` waits for what comes back. Whatever `h2`
would refuse to send goes out by `Connection.send_bytes`, as bytes.
"""

import asyncio
import gzip
import struct
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.settings import SettingCodes, Settings

Headers = Sequence[tuple[str, str]]

WAIT_BOUND_S = 10.0
"""No wait of this client is longer, unless it is told a bound of its own."""

_FLAG_AND_LENGTH = struct.Struct(">BI")


def framed(message: bytes, *, compressed: bool = False) -> bytes:
    """A message with gRPC's five bytes before it; `compressed` sets the flag and leaves the bytes alone."""
    return _FLAG_AND_LENGTH.pack(compressed, len(message)) + message


def gzipped(message: bytes) -> bytes:
    """A message as a sender with `grpc-encoding: gzip` frames it."""
    return framed(gzip.compress(message), compressed=True)


def request_headers(path: str, *more: tuple[str, str], **replaced: str | None) -> list[tuple[str, str]]:
    """What a gRPC client sends. `replaced` names a header with `_` for `-`; None leaves it out: `te=None`."""
    headers: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "savepoint-h2-client",
    }
    for name, value in replaced.items():
        plain = name.replace("_", "-")
        headers[f":{plain}" if f":{plain}" in headers else plain] = value
    return [(name, value) for name, value in headers.items() if value is not None] + list(more)


@dataclass(frozen=True)
class Message:
    """One message of an answer: the flag as it was on the wire, and the bytes after it."""

    compressed: bool
    payload: bytes

    def plain(self) -> bytes:
        """The message itself; only gzip is known."""
        return gzip.decompress(self.payload) if self.compressed else self.payload


@dataclass
class Answer:
    """What a stream has brought so far."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    trailers_only: bool = False
    """The stream ended with its first HEADERS frame, which then carries the status."""
    ended: bool = False
    reset: int | None = None
    """The error code of RST_STREAM, if the server sent one."""

    def all(self, name: str) -> list[str]:
        """Every value of a header or trailer, in order."""
        return [value for key, value in (*self.headers, *self.trailers) if key == name]

    def one(self, name: str) -> str | None:
        """The value of a header or trailer, None when it is missing."""
        found = self.all(name)
        assert len(found) <= 1, f"{name} was sent {len(found)} times: {found}"
        return found[0] if found else None

    @property
    def http_status(self) -> int | None:
        """The HTTP status."""
        status = self.one(":status")
        return None if status is None else int(status)

    @property
    def grpc_status(self) -> int | None:
        """The gRPC status code."""
        status = self.one("grpc-status")
        return None if status is None else int(status)

    @property
    def grpc_message(self) -> str:
        """The text of the status, percent-decoded."""
        return urllib.parse.unquote(self.one("grpc-message") or "")

    def messages(self) -> list[Message]:
        """The body, cut into messages; fails on a rest."""
        found = []
        rest = bytes(self.body)
        while rest:
            assert len(rest) >= _FLAG_AND_LENGTH.size, f"the body ends with {len(rest)} bytes of a prefix"
            flag, length = _FLAG_AND_LENGTH.unpack_from(rest)
            rest = rest[_FLAG_AND_LENGTH.size :]
            assert flag in (0, 1), f"the flag of a message is {flag}"
            assert len(rest) >= length, f"a message of {length} bytes has only {len(rest)}"
            found.append(Message(bool(flag), rest[:length]))
            rest = rest[length:]
        return found


class Stream:
    """One stream of a connection, and the answer it is getting."""

    def __init__(self, connection: "Connection", stream_id: int) -> None:
        self.id = stream_id
        self.seen = Answer()
        self._connection = connection

    async def send(self, data: bytes, *, end: bool = False, frame_size: int | None = None) -> None:
        """Sends DATA frames of at most `frame_size` bytes, as the server's windows allow; stops once the stream is
        over, as every client does."""
        connection, rest = self._connection, memoryview(data)
        while rest and not self.over:
            await connection.wait_until(lambda: self.over or connection.h2.local_flow_control_window(self.id) > 0)
            if self.over:
                return
            window = connection.h2.local_flow_control_window(self.id)
            size = min(window, connection.h2.max_outbound_frame_size, frame_size or len(rest), len(rest))
            connection.h2.send_data(self.id, bytes(rest[:size]), end_stream=end and size == len(rest))
            rest = rest[size:]
            await connection.flush()
        if end and not data:
            connection.h2.send_data(self.id, b"", end_stream=True)
            await connection.flush()

    @property
    def over(self) -> bool:
        """The answer is complete, or the server has reset the stream."""
        return self.seen.ended or self.seen.reset is not None

    async def half_close(self) -> None:
        """Ends the request with an empty DATA frame."""
        await self.send(b"", end=True)

    async def cancel(self, error_code: int = 8) -> None:
        """Sends RST_STREAM, CANCEL unless told otherwise."""
        self._connection.h2.reset_stream(self.id, error_code)
        await self._connection.flush()

    async def answer(self, bound_s: float = WAIT_BOUND_S) -> Answer:
        """Waits until the stream has ended or was reset. Raises TimeoutError, ConnectionError."""
        await self._connection.wait_until(lambda: self.over, bound_s)
        return self.seen

    async def until(self, condition: Callable[[Answer], bool], bound_s: float = WAIT_BOUND_S) -> Answer:
        """Waits until the answer so far meets a condition. Raises TimeoutError, ConnectionError."""
        await self._connection.wait_until(lambda: condition(self.seen), bound_s)
        return self.seen


class Connection:
    """One connection: a task reads it and files what comes under its streams. Made by `connect`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, opens_windows: bool = True
    ) -> None:
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            # A test must be able to send what a good client would not.
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.streams: dict[int, Stream] = {}
        self.goaways: list[h2.events.ConnectionTerminated] = []
        self.pongs = 0
        """How many of our PINGs were answered."""
        self.closed = False
        """The server has closed the connection, or broke the protocol (then `error` says how)."""
        self.error: Exception | None = None
        self._reader = reader
        self._writer = writer
        self._opens_windows = opens_windows
        self._changed = asyncio.Condition()

    async def open(self, headers: Iterable[tuple[str, str]], *, end: bool = False) -> Stream:
        """Sends the HEADERS of a new stream."""
        stream = Stream(self, self.h2.get_next_available_stream_id())
        self.streams[stream.id] = stream
        self.h2.send_headers(stream.id, list(headers), end_stream=end)
        await self.flush()
        return stream

    async def call(self, headers: Iterable[tuple[str, str]], body: bytes, *, bound_s: float = WAIT_BOUND_S) -> Answer:
        """A whole call: HEADERS, the body, half-close, the answer. Raises TimeoutError, ConnectionError."""
        stream = await self.open(headers)
        await stream.send(body, end=True)
        return await stream.answer(bound_s)

    async def ping(self) -> None:
        """Sends PING and waits for its answer: the connection lives."""
        before = self.pongs
        self.h2.ping(b"savepnt?")
        await self.flush()
        await self.wait_until(lambda: self.pongs > before)

    async def flush(self) -> None:
        """Sends what h2 has ready."""
        await self.send_bytes(self.h2.data_to_send())

    async def send_bytes(self, data: bytes) -> None:
        """Sends bytes past h2, which knows nothing of them. Raises ConnectionError, TimeoutError."""
        self._writer.write(data)
        async with asyncio.timeout(WAIT_BOUND_S):
            await self._writer.drain()

    async def wait_until(self, condition: Callable[[], bool], bound_s: float = WAIT_BOUND_S) -> None:
        """Waits for a condition on what came in. Raises TimeoutError, ConnectionError when the server has closed."""
        async with asyncio.timeout(bound_s), self._changed:
            while not condition():
                if self.closed:
                    raise ConnectionError(f"the connection is closed; GOAWAY: {self.goaways}; error: {self.error}")
                await self._changed.wait()

    async def wait_closed(self, bound_s: float = WAIT_BOUND_S) -> None:
        """Waits until the server closes the connection. Raises TimeoutError."""
        await self.wait_until(lambda: self.closed, bound_s)

    async def read(self) -> None:
        """Reads until the connection ends; `connect` runs it as a task."""
        try:
            while data := await self._reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    self._handle(event)
                await self.flush()
                await self._notify()
        except (OSError, h2.exceptions.H2Error) as error:
            self.error = error
        finally:
            self.closed = True
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append(event)
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        seen = stream.seen
        if isinstance(event, h2.events.ResponseReceived):
            seen.headers = _decoded(event.headers)
            seen.trailers_only = event.stream_ended is not None
        elif isinstance(event, h2.events.DataReceived):
            seen.body += event.data
            if self._opens_windows and event.flow_controlled_length:
                # The stream may be closed already; the connection's window opens all the same.
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream.id)
        elif isinstance(event, h2.events.TrailersReceived):
            seen.trailers = _decoded(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            seen.ended = True
        elif isinstance(event, h2.events.StreamReset):
            seen.reset = int(event.error_code)


@asynccontextmanager
async def connect(
    address: str, *, opens_windows: bool = True, settings: dict[SettingCodes, int] | None = None
) -> AsyncIterator[Connection]:
    """A connection to `host:port`, its settings exchanged.

    `settings` are SettingCodes and their values, as the server is to respect them; with `opens_windows`
    False no WINDOW_UPDATE is ever sent, as by a reader that has stopped.
    """
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(WAIT_BOUND_S):
        reader, writer = await asyncio.open_connection(host, int(port))
    connection = Connection(reader, writer, opens_windows=opens_windows)
    if settings:
        # Before the preface, so that the first SETTINGS frame carries them.
        connection.h2.local_settings = Settings(client=True, initial_values=settings)
    connection.h2.initiate_connection()
    reading = asyncio.create_task(connection.read())
    try:
        await connection.flush()
        yield connection
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(WAIT_BOUND_S):
                await writer.wait_closed()


def _decoded(headers: Iterable[tuple[str | bytes, str | bytes]]) -> list[tuple[str, str]]:
    return [(_text(name), _text(value)) for name, value in headers]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
