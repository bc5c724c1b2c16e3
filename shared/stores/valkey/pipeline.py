"""One connection to Valkey: commands go out as they come, and answers come in, in the same order.

What callers send in one turn of the event loop goes out in one write, and nobody waits until earlier answers are there:
the server reads the next commands while the last answers are on their way. So a command among many costs a small part
of one that goes alone, and one caller's large batch holds up nobody but the server.

Callers never read. Whoever gives up leaves the answers to the pipeline, which takes in every one of them; so nobody
ever gets an answer that was meant for another.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from shared.stores.valkey.script import Script, ScriptCalls, packed
from shared.stores.valkey.url import MakeConnection

_NO_SCRIPT = "NOSCRIPT"


class SilenceError(Exception):
    """The server has not answered in time."""


class LostError(Exception):
    """The connection was lost, or could not be opened, before the answers had come; the cause says why."""


# How asking a server something fails: it is away, it refuses, or it answers in a form that nobody expects.
UNANSWERED = (OSError, TimeoutError, LostError, RedisError, hiredis.ReplyError, LookupError, ValueError, TypeError)


@dataclass(slots=True, eq=False)
class ScriptBatch:
    """The script calls of one caller, and the one future for all their answers. Without a script, they are commands of
    another kind."""

    script: Script | None
    calls: ScriptCalls
    commands: list[bytes]
    waiting: "asyncio.Future[list[Any]]"
    # Whether an ASKING goes before each call.
    asking: bool = False
    answers: list[Any] = field(default_factory=list)

    def fail(self, why: Exception | None) -> None:
        """Tells whoever still waits that there will be no answer."""
        if not self.waiting.done():
            lost = LostError(f"no connection: {why or 'the server has closed it'}")
            lost.__cause__ = why
            self.waiting.set_exception(lost)


@dataclass(slots=True, eq=False)
class _Again:
    """Calls of a batch whose script the server did not know, on their way once more."""

    batch: ScriptBatch
    # Their places in the batch.
    places: list[int]
    commands: list[bytes]
    answers: list[Any] = field(default_factory=list)


class Pipeline(asyncio.Protocol):
    """An open connection. When it is closed, by whomever, `lost` is set, and what was on its way gets a LostError."""

    def __init__(self, transport: asyncio.WriteTransport, longest_silence_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._longest_silence_s = longest_silence_s
        self._parser = hiredis.Reader()
        self._unsent: list[bytes] = []
        # What is on its way, in the order in which it went out.
        self._expected: deque[ScriptBatch | _Again] = deque()
        self._answered_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._why: Exception | None = None
        self.lost = asyncio.Event()

    @classmethod
    def over(cls, connection: AbstractConnection, longest_silence_s: float) -> "Pipeline":
        """Takes over a connection that the driver has opened: it has greeted the server, and nothing is on its way.

        The driver's own way of reading costs several times as much as all the rest of a call, and it cannot read while
        another task writes."""
        writer = connection._writer  # the driver has no public name for it
        if writer is None:
            raise ConnectionError("the connection was closed as soon as it was open")
        transport = writer.transport
        pipeline = cls(transport, longest_silence_s)
        transport.set_protocol(pipeline)
        return pipeline

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._expected)

    def send(self, sent: ScriptBatch | _Again) -> None:
        """Sends a batch's calls at the end of this turn of the loop."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if not self._expected:
            self._answered_at = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._longest_silence_s, self._listen)
        self._unsent += sent.commands
        self._expected.append(sent)

    async def ask(self, *words: str) -> Any:
        """The answer to a command that is no script. Raises LostError, and hiredis.ReplyError for a refusal."""
        if self.lost.is_set():
            raise LostError("no connection: it was closed before")
        batch = ScriptBatch(None, (), [packed(words)], self._loop.create_future())
        self.send(batch)
        [answer] = await batch.waiting
        if isinstance(answer, hiredis.ReplyError):
            raise answer
        return answer

    def close(self, why: Exception | None = None) -> None:
        """Closes the connection at once. `why` is the reason that is given to those who wait."""
        self._why = self._why or why
        self._transport.abort()
        self._lost()

    # From the transport.

    def data_received(self, data: bytes) -> None:
        """Answers, or parts of them."""
        self._answered_at = self._loop.time()
        try:
            self._parser.feed(data)
            while (answer := self._parser.gets()) is not False:
                if not isinstance(answer, hiredis.PushNotification):
                    self._take(answer)
        except (hiredis.ProtocolError, IndexError) as error:
            # IndexError: an answer that nobody has asked for.
            self.close(ConnectionError(f"the server's answer cannot be read: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        self._why = self._why or exc
        self._lost()

    def _flush(self) -> None:
        commands, self._unsent = self._unsent, []
        if not self.lost.is_set():
            self._transport.write(b"".join(commands))

    def _take(self, answer: Any) -> None:
        sent = self._expected[0]
        sent.answers.append(answer)
        if len(sent.answers) < len(sent.commands):
            return
        self._expected.popleft()
        if isinstance(sent, _Again):
            for place, again in zip(sent.places, sent.answers, strict=True):
                sent.batch.answers[place] = again
            self._done(sent.batch)
        elif sent.script and (
            unknown := [place for place, answer in enumerate(sent.answers) if _unknown_script(answer)]
        ):
            # The server does not have the script: not yet, or not any more after a restart.
            calls = [sent.calls[place] for place in unknown]
            self.send(_Again(sent, unknown, [sent.script.by_source(*call) for call in calls]))
        else:
            self._done(sent)

    def _done(self, batch: ScriptBatch) -> None:
        if not batch.waiting.done():
            batch.waiting.set_result(batch.answers)

    def _listen(self) -> None:
        """Closes the connection to a server that has been silent for too long while it owes an answer."""
        self._watch = None
        if not self._expected:
            return
        silent_until = self._answered_at + self._longest_silence_s
        if silent_until <= self._loop.time():
            self.close(SilenceError("the server does not answer"))
        else:
            self._watch = self._loop.call_at(silent_until, self._listen)

    def _lost(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.lost.set()
        while self._expected:
            sent = self._expected.popleft()
            batch = sent if isinstance(sent, ScriptBatch) else sent.batch
            batch.fail(self._why)


@asynccontextmanager
async def opened(make_connection: MakeConnection, timeout_s: float) -> AsyncIterator[Pipeline]:
    """A connection to a server, while the context is open. Opening it, and silence, take `timeout_s` at most. Raises
    what the driver raises where it cannot be opened."""
    connection = make_connection()
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()  # type: ignore[no-untyped-call]
        pipeline = Pipeline.over(connection, timeout_s)
        try:
            yield pipeline
        finally:
            pipeline.close()
    finally:
        await connection.disconnect(nowait=True)


def _unknown_script(answer: Any) -> bool:
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith(_NO_SCRIPT)
