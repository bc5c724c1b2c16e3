"""Scripts on one server: the only one, or the primary that sentinels name."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import hiredis

from shared.contract.errors import DeadlineReached, StoreUnavailable
from shared.stores.valkey.link import Check, Find, Link
from shared.stores.valkey.pipeline import LostError
from shared.stores.valkey.script import Script, ScriptCalls, Value
from shared.stores.valkey.server import STORE, Valkey, is_read_only
from shared.telemetry.store import StoreTelemetry
from shared.work.retry import TransientError

PING = Script("ping", "return 1", "", writes=False)
NO_KEYS: ScriptCalls = (((), ()),)


class OneServer(Valkey):
    """What `find` leads to; `link` has to be kept connected by whoever makes this."""

    def __init__(
        self,
        find: Find,
        check: Check | None,
        answer_timeout_s: float,
        telemetry: StoreTelemetry,
        *,
        tells_reign: bool = False,
    ) -> None:
        super().__init__(telemetry, tells_reign=tells_reign)
        self.link = Link(find, answer_timeout_s, check, self._changed, tells_reign=tells_reign)
        self._answer_timeout_s = answer_timeout_s
        telemetry.metrics.watch_connections(STORE, lambda: int(self.link.busy))

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the server runs a script in time."""
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                await self._attempt(PING, NO_KEYS)
        except (TransientError, DeadlineReached, RuntimeError, TimeoutError) as error:
            raise StoreUnavailable(STORE) from error

    def lane(self, key: Value) -> int:
        """There is one."""
        return 0

    def _ran(self, script: Script, calls: ScriptCalls) -> Awaitable[list[Any]]:
        return self._retrier.run(self._attempt, script, calls)

    async def _attempt(self, script: Script, calls: ScriptCalls) -> list[Any]:
        self._begin()
        try:
            answers = await self.link.send(script, calls).waiting
        except LostError as error:
            raise self._translated(error) from error.__cause__
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                if is_read_only(answer):
                    self.link.doubt(answer)
                raise self._translated(answer)
        return answers
