"""One caller: sends a call, hears how it ended, counts it, sends the next."""

import asyncio
from time import perf_counter
from typing import Protocol

from httpunk.http import HeaderMap

from bench.generator import outcome
from bench.generator.connection import Call, Connection
from bench.generator.line import Line
from bench.generator.traffic import Traffic

_PREFIX = 5  # a gRPC message's: compressed or not, and its length


class DeadlineTimers(Protocol):
    """What ends a call whose deadline has passed."""

    def watch(self, caller: "Caller") -> None:
        """Of the call that this caller has just begun."""


class LoadForCallers(Protocol):
    """What callers share, as one of them sees it."""

    @property
    def over(self) -> bool:
        """Whether no further call is begun."""

    @property
    def headers(self) -> HeaderMap:
        """Those of every call."""

    @property
    def deadlines(self) -> DeadlineTimers | None:
        """None where calls have all the time they want."""

    def next_call(self) -> tuple[Traffic, bytes, bytes]:
        """The operation, the framed request, and what its answer must contain."""

    def right(self, traffic: Traffic, seconds: float) -> None:
        """A call was answered as it should be."""

    def failed(self, traffic: Traffic, kind: str, message: str, seconds: float) -> None:
        """A call ended otherwise."""

    def pause_s(self) -> float:
        """How long a caller whose call was refused waits now."""


class Caller(Call):
    """Has one call on its way at a time. `attempt` tells one call from the next."""

    def __init__(self, load: LoadForCallers, line: Line) -> None:
        self.attempt = 0
        self.on_its_way = False
        self._load = load
        self._line = line
        self._connection: Connection | None = None
        self._started = self._start  # bound once, not for each call
        self._traffic: Traffic
        self._framed = b""
        self._expect = b""
        self._began = 0.0

    def begin(self) -> None:
        """Sends the next call, unless the load is over."""
        load = self._load
        if load.over:
            return
        self._traffic, self._framed, self._expect = load.next_call()
        self.attempt += 1
        self.on_its_way = True
        self._began = perf_counter()
        if load.deadlines is not None:
            load.deadlines.watch(self)
        self._line.use(self, self._started)

    def give_up(self, why: str) -> None:
        """Ends the call that is on its way, as a client does that cancels or whose deadline has passed."""
        self._line.forget(self)
        if self._connection is not None:
            self._connection.cancel(self)
        self._failed(why)

    def answered(self, status: int | None, headers: HeaderMap) -> None:
        """Counts the answer as right only when it is OK, whole, and this call's."""
        code = headers.get("grpc-status")
        if code is None and status not in (None, 200):
            self._failed(f"HTTP {status}", pause=True)
        elif code != b"0":
            self._failed(*outcome.of_status(code, headers), pause=True)
        elif not self._is_right():
            self._failed(outcome.WRONG_ANSWER, self.received[:200].hex())
        else:
            self._load.right(self._traffic, perf_counter() - self._began)
            self._next()

    def broken(self, how: str) -> None:
        """Counts a call that ended without an answer."""
        self._failed(how)

    def unprocessed(self) -> None:
        """Goes out once more, on another connection where this one takes no more calls."""
        self._line.use(self, self._started)

    def _start(self, connection: Connection) -> None:
        self._connection = connection
        connection.start(self, self._traffic.method, self._load.headers, self._framed)

    def _is_right(self) -> bool:
        received = self.received
        return (
            received[:1] == b"\0"
            and int.from_bytes(received[1:_PREFIX], "big") == len(received) - _PREFIX
            and len(received) >= self._traffic.least_bytes
            and self._expect in received
        )

    def _failed(self, kind: str, message: str = "", pause: bool = False) -> None:
        self._load.failed(self._traffic, kind, message, perf_counter() - self._began)
        self._next(self._load.pause_s() if pause else 0.0)

    def _next(self, after_s: float = 0.0) -> None:
        self._connection = None
        self.on_its_way = False
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self.begin)
        else:
            self.begin()
