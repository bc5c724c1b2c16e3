"""One HTTP/2 connection of a gRPC client, for unary calls: bytes in, answers out, one write a turn of the loop."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import cast

from httpunk import _httpunk as h2
from httpunk.http import HeaderMap

from bench.generator import outcome

_CANCEL = 8
_REFUSED_STREAM = 7
_STREAM_WINDOW = 4 << 20
_CONNECTION_WINDOW = 16 << 20
_LARGEST_HEADERS = 1 << 20


class Call(ABC):
    """A call on its way. Whoever makes it hears exactly once how it ended, and may then start the object anew."""

    stream: int = 0
    received: bytes = b""
    unsent: bytes = b""  # what the flow-control window had no room for yet

    @abstractmethod
    def answered(self, status: int | None, headers: HeaderMap) -> None:
        """The answer is complete: its last headers, and in `received` its framed message. `status` is HTTP's."""

    @abstractmethod
    def broken(self, how: str) -> None:
        """It ended without an answer; `how` is one of bench.generator.outcome."""

    @abstractmethod
    def unprocessed(self) -> None:
        """The server promises that it has done nothing: the call may go out again, as every gRPC client would do."""


class Connection(asyncio.Protocol):
    """Starts calls and tells them how they ended. `usable` ends when the server says GOAWAY or the connection dies."""

    def __init__(self, authority: str) -> None:
        self.usable = False
        self.ready = asyncio.get_running_loop().create_future()
        self._authority = authority
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._will_flush = False
        self._waiting: deque[tuple[Call, str, HeaderMap, bytes]] = deque()
        self._h2 = h2.H2Streams(
            "client",
            initial_window_size=_STREAM_WINDOW,
            connection_window=_CONNECTION_WINDOW,
            max_frame_size=16_384,
            max_header_list_size=_LARGEST_HEADERS,
            max_send_buf_size=_CONNECTION_WINDOW,
            # A cancelled call's answer may still be on its way, however many are cancelled: that is no attack on us.
            max_local_error_reset_streams=None,
            enable_push=False,
        )

    def start(self, call: Call, method: str, headers: HeaderMap, framed: bytes) -> None:
        """Sends a call: at once, or when the server allows one more stream."""
        call.received = b""
        call.stream = 0
        if not self._waiting and self._h2.try_claim_slot():
            self._open(call, method, headers, framed)
        else:
            self._waiting.append((call, method, headers, framed))

    def cancel(self, call: Call) -> None:
        """Resets the call's stream, or forgets the call where it has none yet; it hears nothing more."""
        if call.stream:
            flags = self._h2.reset_stream(call.stream, _CANCEL).flags
            call.stream = 0
            self._after(flags)
            self._flush_soon()
        else:
            self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not call)

    def close(self) -> None:
        """Ends the connection, and with it whatever is still on its way."""
        if self._transport is not None:
            self._transport.close()

    # ----- asyncio.Protocol -----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The preface and our settings go out."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._h2.begin()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Frames, or pieces of them."""
        try:
            for frame in self._h2.receive(data):
                try:
                    self._on_frame(frame)
                except h2.H2StreamError as error:
                    self._on_stream_error(*error.args)
        except h2.H2Error as error:
            self._h2.send_goaway(1)
            self._flush()
            self._fail(f"{outcome.CONNECTION_LOST}: {error}")
            self.close()
            return
        done = not self.usable and self._h2.maybe_goaway_reply() & h2.H2_FLAG_CONN_DONE
        if self._h2.has_pending():
            self._flush()
        if done:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Every call that is still on its way is broken."""
        self._fail(outcome.CONNECTION_LOST)

    # ----- what arrives -----

    def _on_frame(self, frame: "h2.H2Frame") -> None:
        streams = self._h2
        # In the order of how many there are of each.
        if isinstance(frame, h2.H2FrameHeaders):
            head = streams.recv_headers(frame)
            if head.eof and isinstance(call := head.handle, Call):
                call.stream = 0
                call.answered(frame.status, frame.headers)
            if head.flags:
                self._after(head.flags)
        elif isinstance(frame, h2.H2FrameData):
            self._on_data(frame)
        elif isinstance(frame, h2.H2FrameWindowUpdate):
            self._resume(streams.recv_window_update(frame))
        elif isinstance(frame, h2.H2FrameRstStream):
            if (reset := streams.recv_reset(frame)) is not None:
                self._broken(reset[0], frame.error_code)
                self._after(reset[3])
        elif isinstance(frame, h2.H2FrameSettings):
            first, wake, flags = streams.recv_settings(frame)
            self._resume(wake)
            self._after(flags)
            if first and not self.ready.done():
                self.usable = True
                self.ready.set_result(None)
        elif isinstance(frame, h2.H2FramePing):
            streams.recv_ping(frame)
        elif isinstance(frame, h2.H2FrameGoAway):
            self._on_go_away(frame)
        elif isinstance(frame, h2.H2FrameStreamError):
            self._on_stream_error(frame.stream_id, frame.error_code, "library")

    def _on_data(self, frame: h2.H2FrameData) -> None:
        data = self._h2.recv_data(frame)
        if isinstance(call := data.handle, Call):
            if data.payload is not None:
                # Nearly every message is one frame.
                call.received = call.received + data.payload if call.received else data.payload
                if data.budgeted:
                    self._h2.release_data_frame(frame.stream_id, len(data.payload))
                self._h2.release_capacity(frame.stream_id, len(data.payload))
            if data.eof:
                call.stream = 0
                call.broken("the answer ended without trailers")
        if data.flags:
            self._after(data.flags)

    def _on_go_away(self, frame: h2.H2FrameGoAway) -> None:
        self.usable = False
        aborted, flags = self._h2.recv_go_away(frame)
        for call, _ in aborted:
            if isinstance(call, Call):
                call.stream = 0
                call.unprocessed()
        self._give_back_waiting()
        self._after(flags)

    def _on_stream_error(self, stream: int, error_code: int, initiator: str) -> None:
        if initiator == "remote":
            return
        verdict = self._h2.reset_on_error(stream, error_code)
        self._broken(verdict.handle, error_code)
        self._after(verdict.flags)

    def _broken(self, call: object, error_code: int) -> None:
        if not isinstance(call, Call):
            return
        call.stream = 0
        if error_code == _REFUSED_STREAM:
            call.unprocessed()
        else:
            call.broken(outcome.of_reset(error_code))

    # ----- what goes out -----

    def _open(self, call: Call, method: str, headers: HeaderMap, framed: bytes) -> None:
        stream = self._h2.open_stream(
            "POST", method, headers, False, False, call, scheme="http", authority=self._authority
        )
        if stream is None:
            self.usable = False
            call.unprocessed()
            return
        call.stream = stream
        call.unsent = framed
        self._send(call)
        self._flush_soon()

    def _send(self, call: Call) -> None:
        while call.unsent:
            verdict = self._h2.send_data(call.stream, call.unsent, 0, True)
            if verdict.done or verdict.stopped is not None:
                call.unsent = b""
            elif verdict.sent:
                call.unsent = call.unsent[verdict.sent :]
            else:
                return

    def _resume(self, calls: list[object]) -> None:
        for call in calls:
            if isinstance(call, Call) and call.stream and call.unsent:
                self._send(call)

    def _flush_soon(self) -> None:
        if not self._will_flush:
            self._will_flush = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        pending, _ = self._h2.take_pending()
        # A copy, since the buffer is used again as soon as it is released, and the transport may keep what it is given.
        if pending and self._transport is not None:
            self._transport.write(bytes(pending))
        pending.release()
        self._resume(self._h2.credit_written())
        if self._h2.has_pending():
            self._flush_soon()

    def _after(self, flags: int) -> None:
        if flags & h2.H2_FLAG_CAPACITY and (call := self._h2.next_capacity_wake()) is not None:
            self._resume([call])
        if flags & h2.H2_FLAG_SLOT_FREED:
            while self._waiting and self._h2.try_claim_slot():
                self._open(*self._waiting.popleft())

    def _fail(self, how: str) -> None:
        self.usable = False
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(how))
        for call, _ in self._h2.fail(None, how):
            if isinstance(call, Call):
                call.stream = 0
                call.broken(how)
        self._give_back_waiting()

    def _give_back_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for call, *_ in waiting:
            call.unprocessed()
