"""One HTTP/2 connection: bytes to frames, frames to streams, and what streams send back to bytes.

The protocol itself (the state of every stream, both flow-control windows, header compression, the defences against
floods) is httpunk's H2Streams, hyper's h2 in Rust, which does no input or output. This is the part around it: frames
are handed on in the turn of the loop in which their bytes came, and whatever streams have queued by the end of a turn
goes out in one write.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from httpunk import H2Error, H2Reason, H2StreamError, HeaderMap
from httpunk._httpunk import (
    H2_FLAG_CAPACITY,
    H2_FLAG_CONN_DONE,
    H2_FLAG_STOP_ACCEPTING,
    H2_FLAG_WAKE,
    H2_HEADERS_OPENED,
    H2_HEADERS_TRAILERS,
    H2FrameData,
    H2FrameGoAway,
    H2FrameHeaders,
    H2FramePing,
    H2FrameRstStream,
    H2FrameSettings,
    H2FrameStreamError,
    H2FrameWindowUpdate,
    H2SendVerdict,
    H2Streams,
)

from shared.rpc.host import ConnectionRules
from shared.rpc.http2.bounds import (
    BYTES_A_TURN,
    CONNECTION_WINDOW,
    LONGEST_UPLOAD_S,
    MOST_BROKEN_STREAMS,
    MOST_HEADER_BYTES,
    MOST_HELD,
    MOST_STREAMS,
    MOST_UNREAD,
    SEND_BUFFER,
    STALLED_S,
    STREAM_WINDOW,
)
from shared.rpc.http2.errors import StreamGoneError
from shared.rpc.http2.lifetime import Lifetime
from shared.rpc.http2.stream import Stream
from shared.rpc.methods import ServedMethod

_log = logging.getLogger("savepoint.http2")

_PING_HEAD = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00"
_PING = b"savepnt!"


class HostForConnections(Protocol):
    """The host, as its connections see it."""

    def find(self, path: str) -> ServedMethod | None:
        """The method at a path."""

    def connected(self, connection: "Connection") -> None:
        """A client has come."""

    def disconnected(self, connection: "Connection") -> None:
        """A client has gone."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    _transport: asyncio.Transport

    def __init__(self, host: HostForConnections, rules: ConnectionRules) -> None:
        self.loop = asyncio.get_running_loop()
        self.peer = ""
        self.peer_identities: list[bytes] | None = None
        self.find: Callable[[str], ServedMethod | None] = host.find
        self._host = host
        self._lifetime = Lifetime(self.loop, rules)
        self._h2 = H2Streams(
            "server",
            initial_window_size=STREAM_WINDOW,
            connection_window=CONNECTION_WINDOW,
            max_frame_size=16 * 1024,
            max_header_list_size=MOST_HEADER_BYTES,
            max_send_buf_size=SEND_BUFFER,
            max_concurrent_streams=MOST_STREAMS,
            max_local_error_reset_streams=MOST_BROKEN_STREAMS,
            auto_date_header=False,
        )
        self._spare = Stream(self)
        self._streams: set[Stream] = set()
        # Streams that began in this turn of the loop. At its end, those whose request is not complete get a timer.
        self._begun: list[Stream] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._flushing = False
        self._writable = True
        self._stall_timer: asyncio.TimerHandle | None = None
        # The client has sent GOAWAY.
        self._client_leaves = False
        self._closed = False

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_UNREAD)
        self.peer = _peer(transport.get_extra_info("peername"))
        certificate = transport.get_extra_info("peercert")
        if certificate:
            self.peer_identities = [name.encode() for _, name in certificate.get("subjectAltName", ())]
        self._h2.begin()
        self._flush_soon()
        self._lifetime.start(self)
        self._host.connected(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client's: all whole frames in them are acted on now."""
        self._lifetime.last_frames = self.loop.time()
        try:
            for frame in self._h2.receive(data):
                try:
                    self._take(frame)
                except H2StreamError as error:
                    self._reset_after(error)
        except H2Error as error:
            self._break(error)
            return
        if self._begun:
            for stream in self._begun:
                stream.await_request(LONGEST_UPLOAD_S)
            self._begun.clear()
        if self._client_leaves:
            self._after(self._h2.maybe_goaway_reply())
        if len(data) > BYTES_A_TURN:
            # uvloop would go on reading this socket for as long as there is something in it.
            self._transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def eof_received(self) -> bool:
        """The client sends nothing more. No client of gRPC closes one half only."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so is everybody on this connection."""
        self._closed = True
        self._lifetime.end()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        self._h2.fail(None)
        self._lose_streams()
        # The spare stream refers to this connection, and it to the stream: as a cycle, both would stay in memory until
        # the garbage collector runs.
        del self._spare
        self._host.disconnected(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as we write. So nothing more is read from it: that would have to be
        answered, and the answers kept in memory."""
        self._writable = False
        self._transport.pause_reading()
        self._stall_timer = self.loop.call_later(STALLED_S, self._stalled)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writable = True
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        self._read_on()
        self._flush_soon()

    # For streams.

    def start(self, handler: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a stream's handler."""
        task = self.loop.create_task(handler)
        self._tasks.add(task)
        task.add_done_callback(self._ran)
        return task

    def release(self, stream_id: int, size: int) -> None:
        """Gives the client's window back for bytes that were taken in."""
        self._after(self._h2.release_capacity(stream_id, size))

    def hold(self, more: int) -> bool:
        """Counts bytes of requests that no handler has taken yet; `more` is below 0 when a handler has taken some.
        Returns whether all of them together are few enough."""
        self._held += more
        return self._held <= MOST_HELD

    def send_head(self, stream_id: int, head: HeaderMap, *, http_status: int = 200, end: bool = False) -> None:
        """Raises StreamGoneError."""
        self._sent(self._h2.send_response_head(stream_id, http_status, head, end))

    def send_data(self, stream_id: int, data: bytes, at: int) -> int:
        """Sends as much of `data`, from `at` on, as there is room for. Returns where it stopped. Raises
        StreamGoneError."""
        send = self._h2.send_data
        while True:
            verdict = send(stream_id, data, at, False)
            self._sent(verdict)
            if verdict.done:
                return len(data)
            if not verdict.sent:
                return at
            at += verdict.sent

    def send_trailers(self, stream_id: int, fields: HeaderMap) -> None:
        """Raises StreamGoneError."""
        self._sent(self._h2.send_trailers(stream_id, fields))

    def reset(self, stream_id: int, reason: H2Reason) -> None:
        """Sends RST_STREAM."""
        self._after(self._h2.reset_stream(stream_id, int(reason)).flags)

    def forget(self, stream: Stream) -> None:
        """The stream has ended."""
        self._streams.discard(stream)
        if self._lifetime.leaving:
            self._lifetime.close_when_idle()

    # For the host.

    @property
    def drained(self) -> bool:
        """Whether closing it loses no call: the client opens no more calls, all answers have been sent, and calls that
        are still open only wait for events."""
        return self._lifetime.leaving and self.all_written and all(stream.waits_for_events for stream in self._streams)

    def drain(self) -> None:
        """Tells the client to open no more streams here, and closes once those that are open have ended.

        In two phases: what the client has sent before it heard of it is served, and no call is lost.
        """
        self._lifetime.drain()

    def cancel(self) -> None:
        """Cancels the handlers that still run; their callers hear that the replica stops."""
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        """Closes the connection once everything written has gone out."""
        self._write_pending()
        self.end()

    def abort(self) -> None:
        """Closes the connection now."""
        self._transport.abort()

    # For its lifetime.

    @property
    def has_streams(self) -> bool:
        """Whether a call is open."""
        return bool(self._streams)

    @property
    def idle(self) -> bool:
        """Whether no call is open, no handler runs, and the connection is."""
        return not (self._streams or self._tasks or self._closed)

    @property
    def all_written(self) -> bool:
        """Whether what streams have sent is in the kernel's hands."""
        return not self._h2.has_pending() and not self._transport.get_write_buffer_size()

    def send_goaway(self) -> None:
        """Tells the client to open no more calls here."""
        self._after(self._h2.begin_graceful_shutdown())

    def send_ping(self) -> None:
        """Asks the client whether it is there."""
        self._transport.write(_PING_HEAD + _PING)

    def end(self) -> None:
        """Closes the connection; what is written by now still goes out."""
        # Closing an encrypted transport twice detaches it from its socket; after that it cannot be aborted.
        if not self._transport.is_closing():
            self._transport.close()

    # Frames.

    def _take(self, frame: Any) -> None:
        kind = type(frame)
        if kind is H2FrameHeaders:
            self._take_headers(frame)
        elif kind is H2FrameData:
            verdict = self._h2.recv_data(frame)
            stream = cast("Stream | None", verdict.handle)
            if stream is not None:
                if verdict.payload is not None:
                    if verdict.budgeted:
                        self._h2.release_data_frame(stream.id, len(verdict.payload))
                    stream.receive(verdict.payload)
                if verdict.eof:
                    stream.end_of_request()
            self._after(verdict.flags)
        else:
            self._take_control(frame, kind)

    def _take_headers(self, frame: H2FrameHeaders) -> None:
        verdict = self._h2.recv_headers(frame, self._spare)
        if verdict.kind == H2_HEADERS_OPENED:
            stream, self._spare = self._spare, Stream(self)
            stream.id = verdict.stream_id
            # h2 counts streams that are reset before somebody accepted them as an attack. A gateway has many callers
            # who give up; here a stream costs next to nothing until its request is whole.
            self._h2.accepted(stream.id)
            self._lifetime.last_call = self._lifetime.last_frames
            self._streams.add(stream)
            self._begun.append(stream)
            stream.begin(frame)
            if verdict.eof:
                stream.end_of_request()
        elif verdict.kind == H2_HEADERS_TRAILERS:
            cast(Stream, verdict.handle).end_of_request()
        self._after(verdict.flags)

    def _take_control(self, frame: Any, kind: type) -> None:
        h2 = self._h2
        if kind is H2FrameWindowUpdate:
            if not self._came_too_late(frame.stream_id):
                self._make_room(h2.recv_window_update(frame))
        elif kind is H2FrameRstStream:
            if self._came_too_late(frame.stream_id):
                return
            lost = h2.recv_reset(frame)
            if lost is not None:
                cast(Stream, lost[0]).lose()
                self._after(lost[3])
        elif kind is H2FrameSettings:
            self._lifetime.first_frames_came()
            _, wake, flags = h2.recv_settings(frame)
            self._make_room(wake)
            self._after(flags)
        elif kind is H2FramePing:
            if frame.ack and frame.data == _PING:
                self._lifetime.pong_came()
            else:
                self._after(h2.recv_ping(frame))
                if self._lifetime.draining and h2.shutdown_final:
                    self._lifetime.leave()
        elif kind is H2FrameGoAway:
            self._client_leaves = True
            aborted, flags = h2.recv_go_away(frame)
            for stream, _ in aborted:
                cast(Stream, stream).lose()
            self._after(flags)
        elif kind is H2FrameStreamError:
            raise H2StreamError(frame.stream_id, frame.error_code, "library")

    def _came_too_late(self, stream_id: int) -> bool:
        """Whether the last GOAWAY told the client that this stream is not served. What it still sends there is left
        unread; httpunk does so with HEADERS and DATA, and takes the rest for an attack on the whole connection."""
        return self._lifetime.leaving and self._h2.shutdown_final and stream_id > self._h2.last_processed_id

    def _reset_after(self, error: H2StreamError) -> None:
        """The client has broken the protocol on one stream: that one is reset, the others go on."""
        stream_id, reason, initiator = error.args
        # The frame may have opened a stream before it failed.
        self._spare = Stream(self)
        if initiator != "remote":
            verdict = self._h2.reset_on_error(stream_id, reason)
            if verdict.handle is not None:
                cast(Stream, verdict.handle).lose()
            self._after(verdict.flags)

    def _break(self, error: H2Error) -> None:
        """The client has broken the protocol of the connection: it hears why, and all its streams are lost."""
        reason = error.args[0] if error.args and isinstance(error.args[0], int) else int(H2Reason.PROTOCOL_ERROR)
        _log.info("a client broke HTTP/2: closing its connection", extra={"peer": self.peer, "error": str(error)})
        self._h2.send_goaway(reason)
        self._lose_streams()
        self.close()

    def _lose_streams(self) -> None:
        for stream in list(self._streams):
            stream.lose()

    # Writing.

    def _sent(self, verdict: H2SendVerdict) -> None:
        if verdict.stopped is not None:
            raise StreamGoneError
        self._after(verdict.flags)

    def _after(self, flags: int) -> None:
        if flags & H2_FLAG_WAKE:
            self._flush_soon()
        if flags & ~H2_FLAG_WAKE:
            if flags & H2_FLAG_CAPACITY:
                # Room on the connection goes to the stream that has waited longest.
                stream = self._h2.next_capacity_wake()
                if stream is not None:
                    cast(Stream, stream).make_room()
            if flags & (H2_FLAG_CONN_DONE | H2_FLAG_STOP_ACCEPTING):
                self.loop.call_soon(self._lifetime.leave)

    def _make_room(self, streams: list[Any]) -> None:
        for stream in streams:
            stream.make_room()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Writes what is queued: one write for all streams of this turn."""
        self._flushing = False
        if self._writable:
            self._write_pending()
            if self._lifetime.leaving:
                self._lifetime.close_when_idle()

    def _write_pending(self) -> None:
        if self._closed:
            return
        pending, _ = self._h2.take_pending()
        if pending:
            self._transport.write(bytes(pending))
        pending.release()
        self._make_room(self._h2.credit_written())

    def _read_on(self) -> None:
        if self._writable and not self._closed:
            self._transport.resume_reading()

    def _stalled(self) -> None:
        _log.warning("a client does not read its answers: closing its connection", extra={"peer": self.peer})
        self.abort()

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._lifetime.leaving:
            self._lifetime.close_when_idle()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a call's end failed: this is a bug", exc_info=error)


def _peer(name: Any) -> str:
    if isinstance(name, tuple) and len(name) == 4:
        return f"ipv6:[{name[0]}]:{name[1]}"
    if isinstance(name, tuple):
        return f"ipv4:{name[0]}:{name[1]}"
    return "unix:"
