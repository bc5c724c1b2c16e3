"""Valkey or Redis: scripts, joined into pipelines; the one place that knows the driver's errors.

An awaited command costs redis-py some twenty times what a command in a full pipeline does. So callers hand their
script calls to one writer task, which sends whatever has gathered while the previous pipeline was on its way. A caller
that gives up leaves its answer behind unread: no connection is ever abandoned between a command and its answer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared import deadline
from shared.errors import DeadlineReached, StoreUnavailable
from shared.retry import Retrier, Transient, TransientError
from shared.telemetry.store import StoreTelemetry

STORE = "valkey"
CONNECT_TIMEOUT_S = 2
ANSWER_BOUND_S = 10
LARGEST_PIPELINE = 500

Value = bytes | str | int | float


@dataclass(frozen=True)
class Script:
    """A Lua script, with what logs and metrics say about it. `writes` decides its query_type."""

    name: str
    source: str
    table: str
    writes: bool


def load_script(path: Path, table: str, *, writes: bool) -> Script:
    """The script of a file, named after it."""
    return Script(path.stem, path.read_text(encoding="utf-8"), table, writes)


@dataclass(frozen=True, slots=True)
class _Call:
    script: Script
    keys: Sequence[Value]
    args: Sequence[Value]
    answer: asyncio.Future[Any]


class Valkey:
    """One server. Made by `connect`."""

    def __init__(self, client: Redis, answer_timeout_s: float, telemetry: StoreTelemetry) -> None:
        self._client = client
        self._answer_timeout_s = answer_timeout_s
        self._telemetry = telemetry
        self._retrier = Retrier()
        self._waiting: list[_Call] = []
        self._wake = asyncio.Event()
        self._digests: dict[str, str] = {}
        self._in_flight = 0
        telemetry.metrics.watch_connections(STORE, lambda: self._in_flight)

    async def run(self, script: Script, keys: Sequence[Value], args: Sequence[Value] = ()) -> Any:
        """Runs a script and returns its answer, strings as bytes. It is sent again when the connection breaks, so it
        must do no harm the second time. Raises StoreUnavailable, DeadlineReached."""
        return (await self.run_each(script, [(keys, args)]))[0]

    async def run_each(self, script: Script, calls: Sequence[tuple[Sequence[Value], Sequence[Value]]]) -> list[Any]:
        """Likewise for many sets of keys and arguments at once; the answers are in their order."""

        async def attempt() -> list[Any]:
            loop = asyncio.get_running_loop()
            sent = [_Call(script, keys, args, loop.create_future()) for keys, args in calls]
            self._waiting += sent
            self._wake.set()
            async with asyncio.timeout(deadline.remaining(ANSWER_BOUND_S)):
                if len(sent) == 1:
                    return [await sent[0].answer]
                # All are awaited whatever becomes of one, so that no failure is left unseen.
                answers = await asyncio.gather(*(call.answer for call in sent), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            return answers

        with self._telemetry.query(script.name, "update" if script.writes else "select", script.table) as measured:
            try:
                answers = await self._retrier.run(attempt)
            except TransientError as error:
                raise StoreUnavailable(STORE) from error
            except TimeoutError as error:
                self._telemetry.error("ANSWER_TIMEOUT")
                raise DeadlineReached from error
            measured.rows_affected = len(answers)
            return answers

    async def ping(self) -> None:
        """Raises unless the server answers."""
        async with asyncio.timeout(self._answer_timeout_s):
            await self._client.ping()

    async def send_forever(self) -> None:
        """The writer task: sends what waits, pipeline after pipeline, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                batch, self._waiting = self._waiting[:LARGEST_PIPELINE], self._waiting[LARGEST_PIPELINE:]
                if not self._waiting:
                    self._wake.clear()
                batch = [call for call in batch if not call.answer.done()]
                if batch:
                    await self._send(batch)
        finally:
            for call in self._waiting:
                call.answer.cancel()

    async def _send(self, batch: list[_Call]) -> None:
        self._in_flight = 1
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                answers = await self._pipeline(batch)
                unknown = [call for call, answer in zip(batch, answers, strict=True) if _no_script(answer)]
                if unknown:
                    # The server has lost its scripts, as after a restart: what was not run is run again.
                    self._digests.clear()
                    again = iter(await self._pipeline(unknown))
                    answers = [next(again) if _no_script(answer) else answer for answer in answers]
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            answers = [error] * len(batch)
        finally:
            self._in_flight = 0
        for call, answer in zip(batch, answers, strict=True):
            if call.answer.done():
                continue
            if isinstance(answer, BaseException):
                call.answer.set_exception(self._translated(answer))
            else:
                call.answer.set_result(answer)

    async def _pipeline(self, batch: list[_Call]) -> list[Any]:
        for script in {call.script.name: call.script for call in batch}.values():
            if script.name not in self._digests:
                digest = await self._client.script_load(script.source)
                self._digests[script.name] = digest.decode() if isinstance(digest, bytes) else digest
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in batch:
                pipeline.execute_command(
                    "EVALSHA", self._digests[call.script.name], len(call.keys), *call.keys, *call.args
                )
            return await pipeline.execute(raise_on_error=False)

    def _translated(self, error: BaseException) -> Exception:
        if isinstance(error, exceptions.ReadOnlyError):
            kind = Transient.REPLICA_LAG
        elif isinstance(
            error,
            (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, OSError, TimeoutError),
        ):
            kind = Transient.CONNECTION_TIMEOUT
        elif isinstance(error, exceptions.OutOfMemoryError):
            self._telemetry.error("OUT_OF_MEMORY")
            return StoreUnavailable(STORE)
        else:
            self._telemetry.error("SCRIPT")
            return RuntimeError(f"valkey refused a script: {error}")
        self._telemetry.error(kind.value)
        return TransientError(kind)


def _no_script(answer: object) -> bool:
    return isinstance(answer, exceptions.NoScriptError)


@asynccontextmanager
async def connect(
    url: str,
    telemetry: StoreTelemetry,
    *,
    answer_timeout_s: float,
    start_timeout_s: float = 0,
) -> AsyncIterator[Valkey]:
    """A server with its writer task running; closed on the way out.

    With `start_timeout_s` the server must answer within it, else StoreUnavailable is raised; without, it may be down.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        # The writer sends one pipeline at a time; the second connection is for pings.
        max_connections=2,
        timeout=answer_timeout_s,
        protocol=3,
        socket_timeout=answer_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        # Retries are ours: the driver knows neither the call's deadline nor the budget.
        retry=Retry(NoBackoff(), 0),
    )
    client: Redis = Redis(connection_pool=pool)
    valkey = Valkey(client, answer_timeout_s, telemetry)
    sender = asyncio.create_task(valkey.send_forever(), name="valkey-sender")
    try:
        if start_timeout_s:
            await _answers(valkey, start_timeout_s)
        yield valkey
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        await client.aclose()
        await pool.disconnect()


async def _answers(valkey: Valkey, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        try:
            return await valkey.ping()
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            if loop.time() > until:
                raise StoreUnavailable(STORE) from error
        await asyncio.sleep(0.2)
