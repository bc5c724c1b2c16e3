"""Valkey or Redis: scripts, sent over one connection that is opened anew when it is lost; the one place that knows the
driver's errors.

The driver opens the connection (URL, TLS, password, database), and its parser reads the answers. Its pool, pipelines,
timeouts and retries are left out: they cost more than all the rest, and know neither the call's deadline nor the retry
budget.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from shared.contract.errors import DeadlineReached, StoreUnavailable
from shared.stores.valkey.pipeline import Pipeline, ScriptBatch
from shared.stores.valkey.script import Script, ScriptCalls, Value
from shared.telemetry.store import StoreTelemetry
from shared.work import background, deadline
from shared.work.background import Job
from shared.work.retry import Retrier, Transient, TransientError

STORE = "valkey"
CONNECT_TIMEOUT_S = 2
# What a server answers that cannot do anything right now: its memory or its disk is full, a script holds it up,
# replicas are missing.
_UNABLE = ("OOM", "MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")
_READ_ONLY = "READONLY"

_PING = Script("ping", "return 1", "", writes=False)


class Valkey:
    """One server. Made by `connect`."""

    def __init__(
        self, make_connection: Callable[[], AbstractConnection], answer_timeout_s: float, telemetry: StoreTelemetry
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._make_connection = make_connection
        self._answer_timeout_s = answer_timeout_s
        self._telemetry = telemetry
        self._retrier = Retrier()
        self._pipeline: Pipeline | None = None
        # Those who came while there was no connection.
        self._waiting: deque[ScriptBatch] = deque()
        self._wanted = asyncio.Event()
        telemetry.metrics.watch_connections(STORE, lambda: int(self._pipeline is not None and self._pipeline.busy))

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

    async def stay_connected(self) -> None:
        """The background task: opens a connection whenever somebody wants one, until cancelled. Where it fails, what
        was on its way fails too; what waits is for the task that comes after it."""
        if self._waiting:
            self._wanted.set()
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._serve()
        except asyncio.CancelledError:
            for batch in self._waiting:
                batch.waiting.cancel()
            raise

    async def _serve(self) -> None:
        """Opens a connection, and keeps it until it is lost."""
        connection = self._make_connection()
        try:
            try:
                async with asyncio.timeout(self._answer_timeout_s):
                    await connection.connect()  # type: ignore[no-untyped-call]
                pipeline = Pipeline.over(connection, self._answer_timeout_s)
            except Exception as error:
                self._fail(self._waiting, error)
                self._waiting.clear()
                return
            try:
                await self._use(pipeline)
            finally:
                pipeline.close()
                self._fail(*pipeline.taken_back())
        finally:
            await connection.disconnect(nowait=True)

    async def _use(self, pipeline: Pipeline) -> None:
        for batch in self._waiting:
            # One that nobody waits for any more is left out.
            if not batch.waiting.done():
                pipeline.send(batch)
        self._waiting.clear()
        self._pipeline = pipeline
        try:
            await pipeline.lost.wait()
        finally:
            self._pipeline = None

    def _fail(self, batches: Iterable[ScriptBatch], error: Exception) -> None:
        for batch in batches:
            if not batch.waiting.done():
                batch.waiting.set_exception(self._translated(error))

    async def _attempt(self, script: Script, calls: ScriptCalls) -> list[Any]:
        # The call that this is for is cancelled at its deadline. Without a call, the connection's own bounds end the
        # wait: to open one, and to be silent, takes answer_timeout_s at most.
        if deadline.passed():
            raise DeadlineReached
        commands = [script.by_digest(keys, args) for keys, args in calls]
        batch = ScriptBatch(script, calls, commands, self._loop.create_future())
        pipeline = self._pipeline
        if pipeline is None or pipeline.lost.is_set():
            self._waiting.append(batch)
            self._wanted.set()
        else:
            pipeline.send(batch)
        answers = await batch.waiting
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise self._translated(answer)
        return answers

    def _translated(self, error: Exception) -> Exception:
        translated: Exception
        if isinstance(error, hiredis.ReplyError):
            code = str(error).partition(" ")[0]
            if code in _UNABLE:
                kind, translated = "UNABLE", StoreUnavailable(STORE)
            elif code == _READ_ONLY:
                kind, translated = Transient.REPLICA_LAG.value, TransientError(Transient.REPLICA_LAG)
            else:
                kind, translated = "SCRIPT", RuntimeError(f"valkey refused a script: {error}")
        else:
            kind, translated = Transient.CONNECTION_TIMEOUT.value, TransientError(Transient.CONNECTION_TIMEOUT)
        self._telemetry.error(kind)
        translated.__cause__ = error
        return translated


@asynccontextmanager
async def connect(
    url: str, telemetry: StoreTelemetry, *, answer_timeout_s: float, start_timeout_s: float = 0
) -> AsyncIterator[Valkey]:
    """A server, connected to when it is first used; closed on the way out.

    With `start_timeout_s` the server must answer within it, else StoreUnavailable is raised; without, it may be down.
    """
    # No socket_timeout: opening a connection is bounded as a whole, and so is waiting for an answer.
    pool = ConnectionPool.from_url(url, protocol=3, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=None)
    valkey = Valkey(pool.make_connection, answer_timeout_s, telemetry)
    async with background.running(
        Job("valkey-connection", valkey.stay_connected), telemetry.metrics.background_failures
    ):
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
