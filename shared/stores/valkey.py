"""Valkey or Redis: scripts, joined into pipelines; the one place that knows the driver's errors.

Callers hand their script calls to one sender task, which owns the only connection and sends whatever has gathered
while the previous pipeline was on its way: a command in a full pipeline costs a small part of one that goes alone. A
caller that gives up leaves its answers to the sender, which reads every answer of a pipeline or closes the connection.
So nobody ever gets an answer that was meant for another.

The driver opens the connection (URL, TLS, password, database) and parses answers. Its pool, pipelines, timeouts and
retries are left out: they cost more than all the rest, and know neither the call's deadline nor the retry budget.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import hiredis
from redis import exceptions
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from shared.contract.errors import DeadlineReached, StoreUnavailable
from shared.telemetry.store import StoreTelemetry
from shared.work import background, deadline
from shared.work.background import Job
from shared.work.retry import Retrier, Transient, TransientError

STORE = "valkey"
CONNECT_TIMEOUT_S = 2
ANSWER_BOUND_S = 10
# A pipeline of this many words, which measure the server's work, takes in no more callers.
FULL_PIPELINE = 5_000
# What a server answers that cannot do anything right now: its disk is full, a script holds it up, replicas are missing.
_UNABLE = ("MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")

Value = bytes | str | int | float
ScriptCalls = Sequence[tuple[Sequence[Value], Sequence[Value]]]


class Script:
    """A Lua script, with what logs and metrics say about it. `writes` decides its query_type."""

    def __init__(self, name: str, source: str, table: str, *, writes: bool) -> None:
        self.name = name
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self.table = table
        self.query_type = "update" if writes else "select"


def load_script(path: Path, table: str, *, writes: bool) -> Script:
    """The script of a file, named after it."""
    return Script(path.stem, path.read_text(encoding="utf-8"), table, writes=writes)


_PING = Script("ping", "return 1", "", writes=False)


@dataclass(slots=True, eq=False)
class _ScriptBatch:
    """The script calls of one caller, and the one future for all their answers."""

    script: Script
    calls: ScriptCalls
    commands: list[bytes]
    answers: asyncio.Future[list[Any]]


class Valkey:
    """One server. Made by `connect`."""

    def __init__(self, connection: AbstractConnection, answer_timeout_s: float, telemetry: StoreTelemetry) -> None:
        self._connection = connection
        self._answer_timeout_s = answer_timeout_s
        self._telemetry = telemetry
        self._retrier = Retrier()
        self._waiting: deque[_ScriptBatch] = deque()
        self._wake = asyncio.Event()
        self._in_flight = 0
        telemetry.metrics.watch_connections(STORE, lambda: self._in_flight)

    async def run(self, script: Script, keys: Sequence[Value], args: Sequence[Value] = ()) -> Any:
        """Runs a script and returns its answer, strings as bytes. It is sent again when the connection breaks, so it
        must do no harm the second time. Raises StoreUnavailable, DeadlineReached."""
        return (await self.run_each(script, ((keys, args),)))[0]

    async def run_each(self, script: Script, calls: ScriptCalls) -> list[Any]:
        """Likewise for many sets of keys and arguments at once; the answers are in their order."""
        if not calls:
            return []
        with self._telemetry.query(script.name, script.query_type, script.table) as measured:
            try:
                answers = await self._retrier.run(self._attempt, script, calls)
            except TransientError as error:
                raise StoreUnavailable(STORE) from error
            measured.rows_affected = len(answers)
            return answers

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the server runs a script in time."""
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                await self._attempt(_PING, (((), ()),))
        except (TransientError, DeadlineReached, RuntimeError, TimeoutError) as error:
            raise StoreUnavailable(STORE) from error

    async def send_forever(self) -> None:
        """The sender task: sends what waits, pipeline after pipeline, until cancelled. Where it fails, what it was
        sending fails too; what waits is for the sender that comes after it."""
        batches: list[_ScriptBatch] = []
        try:
            while True:
                await self._wake.wait()
                if batches := self._next_batches():
                    await self._send(batches)
        except asyncio.CancelledError:
            for batch in (*batches, *self._waiting):
                batch.answers.cancel()
            raise
        except BaseException:
            for batch in batches:
                if not batch.answers.done():
                    batch.answers.set_exception(TransientError(Transient.CONNECTION_TIMEOUT))
            raise
        finally:
            await self._connection.disconnect()

    async def _attempt(self, script: Script, calls: ScriptCalls) -> list[Any]:
        loop = asyncio.get_running_loop()
        commands = [_packed("EVALSHA", script.digest, *call) for call in calls]
        batch = _ScriptBatch(script, calls, commands, loop.create_future())
        self._waiting.append(batch)
        self._wake.set()
        # asyncio.timeout does the same at five times the price.
        bound = loop.call_later(deadline.remaining(ANSWER_BOUND_S), self._give_up, batch)
        try:
            answers = await batch.answers
        finally:
            bound.cancel()
        for answer in answers:
            if isinstance(answer, exceptions.ResponseError):
                raise self._translated(answer)
        return answers

    def _give_up(self, batch: _ScriptBatch) -> None:
        if not batch.answers.done():
            self._telemetry.error("ANSWER_TIMEOUT")
            batch.answers.set_exception(DeadlineReached())

    def _next_batches(self) -> list[_ScriptBatch]:
        """The batches of the next pipeline. A batch is never split; one that nobody waits for any more is left out."""
        batches, words = [], 0
        while self._waiting and words < FULL_PIPELINE:
            batch = self._waiting.popleft()
            if not batch.answers.done():
                batches.append(batch)
                words += sum(2 + len(keys) + len(args) for keys, args in batch.calls)
        if not self._waiting:
            self._wake.clear()
        return batches

    async def _send(self, batches: list[_ScriptBatch]) -> None:
        self._in_flight = 1
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                answers = iter(await self._answers(batches))
        except Exception as error:
            # Answers of this pipeline may still arrive. Without the connection, no later caller can get them.
            await self._connection.disconnect(nowait=True)
            for batch in batches:
                if not batch.answers.done():
                    batch.answers.set_exception(self._translated(error))
        else:
            for batch in batches:
                own = list(islice(answers, len(batch.commands)))
                if not batch.answers.done():
                    batch.answers.set_result(own)
        finally:
            self._in_flight = 0

    async def _answers(self, batches: list[_ScriptBatch]) -> list[Any]:
        if self._connection.is_connected and await self._connection.can_read():
            # No answer is due. Something to read can only mean that the server has closed the connection.
            await self._connection.disconnect(nowait=True)
        answers = await self._pipeline([command for batch in batches for command in batch.commands])
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, exceptions.NoScriptError)]
        if unknown:
            # The server does not have these scripts (yet, or any more after a restart). EVAL also stores them.
            calls = [(batch.script.source, call) for batch in batches for call in batch.calls]
            again = [_packed("EVAL", source, *call) for source, call in (calls[at] for at in unknown)]
            for at, answer in zip(unknown, await self._pipeline(again), strict=True):
                answers[at] = answer
        return answers

    async def _pipeline(self, commands: list[bytes]) -> list[Any]:
        await self._connection.send_packed_command(commands, check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await self._connection.read_response())
            except exceptions.ResponseError as error:
                answers.append(error)
        return answers

    def _translated(self, error: Exception) -> Exception:
        translated: Exception
        if isinstance(error, exceptions.OutOfMemoryError) or str(error).startswith(_UNABLE):
            kind, translated = "UNABLE", StoreUnavailable(STORE)
        elif isinstance(error, exceptions.ResponseError) and not isinstance(error, exceptions.ReadOnlyError):
            kind, translated = "SCRIPT", RuntimeError(f"valkey refused a script: {error}")
        else:
            read_only = isinstance(error, exceptions.ReadOnlyError)
            transient = Transient.REPLICA_LAG if read_only else Transient.CONNECTION_TIMEOUT
            kind, translated = transient.value, TransientError(transient)
        self._telemetry.error(kind)
        translated.__cause__ = error
        return translated


def _packed(command: str, script: str, keys: Sequence[Value], args: Sequence[Value]) -> bytes:
    words: Any = (command, script, len(keys), *keys, *args)  # the parser's stub says: a tuple of one
    packed: bytes = hiredis.pack_command(words)
    return packed


@asynccontextmanager
async def connect(
    url: str, telemetry: StoreTelemetry, *, answer_timeout_s: float, start_timeout_s: float = 0
) -> AsyncIterator[Valkey]:
    """A server with its sender task running; closed on the way out.

    With `start_timeout_s` the server must answer within it, else StoreUnavailable is raised; without, it may be down.
    """
    # No socket_timeout: the sender bounds each pipeline as a whole.
    pool = ConnectionPool.from_url(url, protocol=3, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=None)
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    valkey = Valkey(connection, answer_timeout_s, telemetry)
    async with background.running(Job("valkey-sender", valkey.send_forever), telemetry.metrics.background_failures):
        if start_timeout_s:
            await _started(valkey, start_timeout_s)
        yield valkey


async def _started(valkey: Valkey, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        try:
            return await valkey.ping()
        except StoreUnavailable:
            if loop.time() > until:
                raise
        await asyncio.sleep(0.2)
