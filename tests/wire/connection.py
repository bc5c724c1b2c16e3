"""A client that sends whatever bytes it is given, and notes what comes back."""

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from grpc import StatusCode
from hpack import Decoder
from hpack.exceptions import HPACKError

from tests.wire import frames
from tests.wire.frames import Frame, HeaderList
from tests.wire.target import SERVICE, Target

# How long a server may take to say a thing, and how long it may refuse to read.
ANSWER_BOUND_S = 5.0
STALL_BOUND_S = 1.5

_STATUS_NAMES = {str(code.value[0]): code.name for code in StatusCode}

# What was seen, and how often: a gRPC status ("OK"), "HTTP 415", "RST CANCEL", "GOAWAY PROTOCOL_ERROR",
# "left open" for a stream that never ended; and how the connection ended up: "alive", "closed", "silent" or "stalled".
Answer = Counter[str]


class Connection(asyncio.Protocol):
    """One TCP connection. Acknowledges SETTINGS and PING by itself where it `speaks`."""

    def __init__(self) -> None:
        self.seen: Answer = Counter()
        self.settings: dict[int, int] = {}
        self.settings_frames = 0
        self.closed = False
        self.ended: set[int] = set()
        self.data_bytes = 0
        self._granted: Counter[int] = Counter()
        self._spent: Counter[int] = Counter()
        self.speaks_http2 = True
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._changed = asyncio.Event()
        self._buffer = bytearray()
        self._decoder = Decoder(max_header_list_size=2**20)
        self._block = b""
        self._pongs: set[bytes] = set()
        self._last_stream = -1
        # Until it has introduced itself, and after it has ended, this side has nothing to acknowledge.
        self.speaks = False

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        self._changed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, received: bytes) -> None:
        self._buffer += received
        self._changed.set()
        if self._buffer[:7] == b"HTTP/1."[: len(self._buffer)] or not self.speaks_http2:
            if self.speaks_http2 and len(self._buffer) >= 12:
                self.speaks_http2 = False
                self.seen[bytes(self._buffer[:12]).decode("latin-1")] += 1
            return
        for frame in frames.parse(self._buffer):
            self._take(frame)

    # What an attack does.

    @property
    def transport(self) -> asyncio.Transport:
        """The socket's other side."""
        assert self._transport is not None
        return self._transport

    @property
    def largest_frame(self) -> int:
        """What the server takes in one frame, in bytes."""
        return self.settings.get(frames.MAX_FRAME_SIZE, frames.SMALLEST_MAX_FRAME)

    def next_stream(self) -> int:
        """A stream that has not been used."""
        self._last_stream += 2
        return self._last_stream

    def finish(self) -> None:
        """Ends this side of the connection; the other may still speak."""
        self.speaks = False
        self.transport.write_eof()

    async def send(self, sent: bytes, bound_s: float = STALL_BOUND_S) -> bool:
        """Sends; False when the server is gone, or has read nothing for `bound_s`, which is noted as "stalled"."""
        if self.closed:
            return False
        self.transport.write(sent)
        try:
            async with asyncio.timeout(bound_s):
                await self._writable.wait()
        except TimeoutError:
            self.seen["stalled"] += 1
            return False
        return not self.closed

    async def flood(self, sent: bytes, times: int) -> None:
        """Sends the same bytes again and again, as many at once as fit 64 KiB."""
        together = max(1, min(times, 65_536 // len(sent)))
        for done in range(0, times, together):
            if not await self.send(sent * min(together, times - done)):
                return
            # Writing to a socket with room never yields: without this nobody would read what comes back.
            await asyncio.sleep(0)

    def room(self, stream: int) -> int:
        """What the server's windows allow to send on a stream now, in bytes."""
        initial = self.settings.get(frames.INITIAL_WINDOW_SIZE, frames.DEFAULT_WINDOW)
        return min(
            frames.DEFAULT_WINDOW + self._granted[0] - self._spent[0],
            initial + self._granted[stream] - self._spent[stream],
        )

    async def send_body(
        self, stream: int, body: bytes, end: bool = True, piece: int = frames.SMALLEST_MAX_FRAME
    ) -> bool:
        """Sends a body in DATA frames of `piece` bytes, as the server's windows allow; False when the stream or the
        connection has ended before, or the window stayed shut."""
        at = 0
        while True:
            if not await self.until(lambda: self.room(stream) > 0 or stream in self.ended) or stream in self.ended:
                return False
            # As many frames as the window takes go out together: one by one they would measure this client.
            now = min(len(body) - at, self.room(stream), 65_536)
            last = end and at + now == len(body)
            pieces = [body[i : min(i + piece, at + now)] for i in range(at, at + now, piece)] or [b""]
            batch = [frames.data(stream, one) for one in pieces[:-1]] + [frames.data(stream, pieces[-1], last)]
            self._spent[0] += now
            self._spent[stream] += now
            at += now
            if not await self.send(b"".join(batch)):
                return False
            await asyncio.sleep(0)
            if at == len(body):
                return True

    async def until(self, condition: Callable[[], bool], bound_s: float = ANSWER_BOUND_S) -> bool:
        """Waits for a condition on what has come in, for the end of the connection, or until the bound."""
        try:
            async with asyncio.timeout(bound_s):
                while not condition() and not self.closed:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return condition()

    async def answered(self, streams: int, bound_s: float = ANSWER_BOUND_S) -> bool:
        """Waits until so many streams have ended, one way or another. What is still open by then is seen as that."""
        done = await self.until(lambda: len(self.ended) >= streams, bound_s)
        if not done and not self.closed:
            self.seen["left open"] += streams - len(self.ended)
        return done

    async def settle(self, bound_s: float = ANSWER_BOUND_S) -> Answer:
        """What was seen, after the connection has shown whether it still lives: it answers a PING, or is closed."""
        self.transport.resume_reading()
        nonce = struct.pack(">d", time.perf_counter())
        await self.send(frames.frame(frames.PING, payload=nonce))
        lives = await self.until(lambda: nonce in self._pongs, bound_s)
        # What a dying connection still sent may arrive after the answer.
        if any(name.startswith("GOAWAY") for name in self.seen):
            await self.until(lambda: self.closed, bound_s)
        self.seen["closed" if self.closed else "alive" if lives else "silent"] += 1
        return self.seen

    # What came in.

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.SETTINGS and not frame.flags & frames.ACK:
            self._take_settings(frame.payload)
        elif frame.kind == frames.PING:
            self._take_ping(frame)
        elif frame.kind == frames.WINDOW_UPDATE:
            self._granted[frame.stream] += int.from_bytes(frame.payload, "big")
        elif frame.kind == frames.DATA:
            self.data_bytes += len(frame.payload)
            self._end(frame)
        elif frame.kind in (frames.HEADERS, frames.CONTINUATION):
            self._take_headers(frame)
        elif frame.kind == frames.RST_STREAM:
            code = int.from_bytes(frame.payload, "big")
            # An answer that is complete may be followed by NO_ERROR: "no need to send me the rest".
            if frame.stream not in self.ended or code:
                self.seen[f"RST {frames.error_name(code)}"] += 1
            self.ended.add(frame.stream)
        elif frame.kind == frames.GOAWAY:
            self.seen[f"GOAWAY {frames.error_name(int.from_bytes(frame.payload[4:8], 'big'))}"] += 1

    def _take_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            key, value = struct.unpack(">HI", payload[at : at + 6])
            self.settings[key] = value
        self.settings_frames += 1
        self._acknowledge(frames.frame(frames.SETTINGS, frames.ACK))

    def _take_ping(self, frame: Frame) -> None:
        if frame.flags & frames.ACK:
            self._pongs.add(frame.payload)
        else:
            self._acknowledge(frames.frame(frames.PING, frames.ACK, payload=frame.payload))

    def _acknowledge(self, sent: bytes) -> None:
        if self.speaks:
            self.transport.write(sent)

    def _take_headers(self, frame: Frame) -> None:
        self._block += frame.payload
        if not frame.flags & frames.END_HEADERS:
            return
        try:
            fields = dict(self._decoder.decode(self._block, raw=True))
        except HPACKError as error:
            self.seen[f"UNREADABLE HEADERS: {error}"] += 1
            fields = {}
        self._block = b""
        if (http := fields.get(b":status", b"200")) != b"200":
            self.seen[f"HTTP {http.decode()}"] += 1
        if (status := fields.get(b"grpc-status")) is not None:
            self.seen[_STATUS_NAMES.get(status.decode(), status.decode())] += 1
        if frame.kind == frames.HEADERS:
            self._end(frame)

    def _end(self, frame: Frame) -> None:
        if frame.flags & frames.END_STREAM:
            self.ended.add(frame.stream)


def request(method: str, extra: HeaderList | None = None, timeout: str = "5S") -> HeaderList:
    """The headers of a call of the leaderboard service."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method if method.startswith("/") else SERVICE + method),
        (":authority", "wire"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", timeout),
        *(extra or []),
    ]


def call(stream: int, method: str, body: bytes, extra: HeaderList | None = None, timeout: str = "5S") -> bytes:
    """A whole call: HEADERS, and a DATA frame with END_STREAM."""
    fields = frames.block(request(method, extra, timeout))
    return frames.headers(stream, fields) + frames.data(stream, body, end=True)


@asynccontextmanager
async def bare(target: Target, receive_buffer: int | None = None) -> AsyncIterator[Connection]:
    """A TCP connection that has not said a word; aborted at the end."""
    loop = asyncio.get_running_loop()
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(ANSWER_BOUND_S):
            await loop.sock_connect(made, (target.host, target.port))
        transport, connection = await loop.create_connection(Connection, sock=made)
    except BaseException:
        made.close()
        raise
    try:
        yield connection
    finally:
        transport.abort()
        await connection.until(lambda: connection.closed, 1)


@asynccontextmanager
async def connected(
    target: Target,
    settings: Mapping[int, int] | None = None,
    window: int = frames.LARGEST_WINDOW - frames.DEFAULT_WINDOW,
    receive_buffer: int | None = None,
) -> AsyncIterator[Connection]:
    """A connection that has introduced itself as HTTP/2 and knows the server's SETTINGS; `window` is what it grants
    to the connection as a whole beyond the default, in bytes."""
    async with bare(target, receive_buffer) as connection:
        opening = frames.PREFACE + frames.settings(dict(settings or {}))
        if window:
            opening += frames.window_update(0, window)
        connection.speaks = True
        await connection.send(opening)
        assert await connection.until(lambda: connection.settings_frames > 0), "no SETTINGS from the server"
        yield connection
