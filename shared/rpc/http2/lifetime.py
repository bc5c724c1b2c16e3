"""How long a connection lives: from the client's first bytes, by pings, to a close that loses no call.

A connection that is idle or old is drained: GOAWAY tells the client to open no more calls here. Calls that it sent
before it heard that are still served, and the connection closes once no call is open. A client that sends no first
bytes, or answers no ping, is taken to be gone, and its connection is closed.
"""

import asyncio
import logging
import random
from typing import Protocol

from shared.rpc.host import ConnectionRules
from shared.rpc.http2.bounds import GOAWAY_WITHIN_S, LEAVE_WITHIN_S, PREFACE_WITHIN_S

_log = logging.getLogger("savepoint.http2")


class ConnectionForLifetime(Protocol):
    """The connection, as its lifetime sees it."""

    peer: str

    @property
    def has_streams(self) -> bool:
        """Whether a call is open."""

    @property
    def idle(self) -> bool:
        """Whether no call is open, no handler runs, and the connection is."""

    @property
    def all_written(self) -> bool:
        """Whether all answers are in the kernel's hands."""

    def send_goaway(self) -> None:
        """Tells the client to open no more calls here."""

    def send_ping(self) -> None:
        """Asks the client whether it is there."""

    def end(self) -> None:
        """Closes the connection."""

    def abort(self) -> None:
        """Closes the connection now."""


class Lifetime:
    """The timers of one connection. The connection tells it when frames and calls come; times are those of the loop."""

    # `draining`: GOAWAY has been sent. `leaving`: the client knows it, or should by now; no further call can come.
    draining = False
    leaving = False
    _preface_timer: asyncio.TimerHandle | None = None
    _rules_timer: asyncio.TimerHandle | None = None
    _goaway_timer: asyncio.TimerHandle | None = None
    _pong_timer: asyncio.TimerHandle | None = None
    _leave_timer: asyncio.TimerHandle | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop, rules: ConnectionRules) -> None:
        self._loop = loop
        self._rules = rules
        self._connection: ConnectionForLifetime | None = None
        now = loop.time()
        self.last_frames = now
        self.last_call = now
        self._old_at = now + rules.oldest_s * random.uniform(0.9, 1.1)

    def start(self, connection: ConnectionForLifetime) -> None:
        """The client has connected."""
        self._connection = connection
        self._preface_timer = self._loop.call_later(PREFACE_WITHIN_S, connection.end)
        self._watch_rules()

    def first_frames_came(self) -> None:
        """The client speaks HTTP/2."""
        if self._preface_timer is not None:
            self._preface_timer.cancel()

    def pong_came(self) -> None:
        """The client is there."""
        if self._pong_timer is not None:
            self._pong_timer.cancel()
            self._pong_timer = None

    def drain(self) -> None:
        """Closes the connection without losing a call."""
        if self.draining or self._connection is None:
            return
        self.draining = True
        self._connection.send_goaway()
        self._goaway_timer = self._loop.call_later(GOAWAY_WITHIN_S, self.leave)

    def leave(self) -> None:
        """The client knows that it must go elsewhere, or should by now."""
        self.leaving = True
        self.close_when_idle()

    def close_when_idle(self) -> None:
        """A call has ended after the last one that can come."""
        if self._connection is not None and self._connection.idle and self._leave_timer is None:
            # Give the client time to close the connection itself. If we closed it, and the client still sent something
            # (an acknowledgement, a window), TCP would answer by a reset, and the client would lose the last answers.
            self._leave_timer = self._loop.call_later(LEAVE_WITHIN_S, self._close_if_idle)

    def end(self) -> None:
        """The connection is closed."""
        for timer in (
            self._preface_timer,
            self._rules_timer,
            self._goaway_timer,
            self._pong_timer,
            self._leave_timer,
        ):
            if timer is not None:
                timer.cancel()
        # This and the connection refer to each other: as a cycle, both would stay in memory until the garbage collector
        # runs.
        self._connection = None

    def _close_if_idle(self) -> None:
        self._leave_timer = None
        connection = self._connection
        if connection is None or not connection.idle:
            return
        if connection.all_written:
            connection.end()
        else:
            self.close_when_idle()

    def _watch_rules(self) -> None:
        rules = self._rules
        self._rules_timer = self._loop.call_later(
            min(rules.ping_every_s, rules.idle_s / 4, rules.oldest_s / 4), self._keep_rules
        )

    def _keep_rules(self) -> None:
        """Drains an old or idle connection, and pings a silent client."""
        rules, now, connection = self._rules, self._loop.time(), self._connection
        if connection is None:
            return
        if connection.has_streams:
            self.last_call = now
        if now > self._old_at or now - self.last_call > rules.idle_s:
            self.drain()
        if self._pong_timer is None and now - self.last_frames >= rules.ping_every_s:
            connection.send_ping()
            self._pong_timer = self._loop.call_later(rules.ping_answer_s, self._miss_pong)
        self._watch_rules()

    def _miss_pong(self) -> None:
        if self._connection is not None:
            _log.info("a client answers no ping: closing its connection", extra={"peer": self._connection.peer})
            self._connection.abort()
