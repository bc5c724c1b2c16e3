"""A connection that is opened when somebody wants it, and anew when it is lost.

Where a server can lose its role, the connection is used only while a check says that it leads to a primary: once when
it is open, and every second from then on. The check names the primary's *reign*: the time in which that server has
been the primary without interruption.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from shared.stores.valkey.pipeline import Pipeline, ScriptBatch, opened
from shared.stores.valkey.script import Script, ScriptCalls, packed
from shared.stores.valkey.url import MakeConnection

# Says where the right server is now.
Find = Callable[[], Awaitable[MakeConnection]]
# Returns the reign of the server at the other end. Raises NotPrimaryError where it has none.
Check = Callable[[Pipeline], Awaitable[str]]

CHECK_EVERY_S = 1.0
# Before a primary is looked for again that was not found; whoever comes meanwhile waits so long.
PAUSE_S = 0.05
_ASKING = packed(("ASKING",))


class NotPrimaryError(Exception):
    """The server is no primary, or nobody knows which one is."""


class Link:
    """Keeps one connection. `check` is None for a server that is alone, and so cannot lose its role.

    `met` is called when the connection leads to a reign that this link did not know, before anything is sent to it.
    With `tells_reign`, every call gets one more argument, the reign of the server that it goes to: so a script can tell
    what is from another reign, and may lack the last writes."""

    def __init__(
        self,
        find: Find,
        answer_timeout_s: float,
        check: Check | None = None,
        met: Callable[[], None] = lambda: None,
        *,
        tells_reign: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._find = find
        self._answer_timeout_s = answer_timeout_s
        self._check = check
        self._met = met
        self._tells_reign = tells_reign
        self._reign = ""
        self._pipeline: Pipeline | None = None
        # Those who came while there was no connection.
        self._waiting: deque[ScriptBatch] = deque()
        self._wanted = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self._pipeline is not None and self._pipeline.busy

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._pipeline is not None and not self._pipeline.lost.is_set()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self.busy and not self._waiting

    def doubt(self, why: Exception) -> None:
        """Looks for the primary anew: the server has answered like one that is none. A server that is alone is kept."""
        if self._check and self._pipeline:
            self._pipeline.close(why)

    def send(self, script: Script, calls: ScriptCalls, *, asking: bool = False) -> ScriptBatch:
        """Sends script calls; the future of what this returns gets the answers, or LostError. To open a connection, and
        to be silent, takes answer_timeout_s at most. Raises TypeError for a value that cannot be sent.

        `asking` is for a node of a cluster that is just getting these keys: each call goes as two commands, and has two
        answers, of which the second counts."""
        pipeline = self._pipeline
        connected = pipeline is not None and not pipeline.lost.is_set()
        if connected and self._tells_reign:
            calls = self._with_reign(calls)
        batch = ScriptBatch(script, calls, _commands(script, calls, asking), self._loop.create_future(), asking)
        if pipeline is not None and connected:
            pipeline.send(batch)
        else:
            self._waiting.append(batch)
            self._wanted.set()
        return batch

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
        async with AsyncExitStack() as stack:
            try:
                pipeline = await self._open(stack)
            except Exception as error:
                for batch in self._waiting:
                    batch.fail(error)
                self._waiting.clear()
            else:
                await self._use(pipeline)
                return
        if self._check:
            await asyncio.sleep(PAUSE_S)

    async def _open(self, stack: AsyncExitStack) -> Pipeline:
        async with asyncio.timeout(self._answer_timeout_s):
            make_connection = await self._find()
        pipeline = await stack.enter_async_context(opened(make_connection, self._answer_timeout_s))
        if self._check:
            async with asyncio.timeout(self._answer_timeout_s):
                reign = await self._check(pipeline)
            if reign != self._reign:
                self._reign = reign
                self._met()
        return pipeline

    async def _use(self, pipeline: Pipeline) -> None:
        for batch in self._waiting:
            # One that nobody waits for any more is left out.
            if batch.waiting.done():
                continue
            if self._tells_reign and batch.script:
                batch.calls = self._with_reign(batch.calls)
                batch.commands = _commands(batch.script, batch.calls, batch.asking)
            pipeline.send(batch)
        self._waiting.clear()
        self._pipeline = pipeline
        try:
            if self._check is None:
                await pipeline.lost.wait()
            else:
                await self._watch(pipeline, self._check)
        finally:
            self._pipeline = None

    async def _watch(self, pipeline: Pipeline, check: Check) -> None:
        while True:
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await pipeline.lost.wait()
                return
            except TimeoutError:
                pass
            try:
                reigning = await check(pipeline) == self._reign
            except Exception as error:
                pipeline.close(error)
                return
            if not reigning:
                pipeline.close(NotPrimaryError("another reign has begun"))
                return

    def _with_reign(self, calls: ScriptCalls) -> ScriptCalls:
        """Done only when it is certain which server gets the calls."""
        return [(keys, (*args, self._reign)) for keys, args in calls]


def _commands(script: Script, calls: ScriptCalls, asking: bool) -> list[bytes]:
    if asking:
        return [part for keys, args in calls for part in (_ASKING, script.by_source(keys, args))]
    return [script.by_digest(keys, args) for keys, args in calls]
