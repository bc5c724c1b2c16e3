"""The stop of a service. A signal asks for it, or the failure of a vital background job."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """Made within the running loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._interruptible: asyncio.Timeout | None = None

    def on_signals(self, *numbers: signal.Signals) -> None:
        """Has these signals ask for it."""
        loop = asyncio.get_running_loop()
        for number in numbers:
            loop.add_signal_handler(number, self.ask)

    def ask(self) -> None:
        """Asks for it; once is enough."""
        if self._asked.is_set():
            return
        self._asked.set()
        if self._interruptible:
            self._interruptible.reschedule(asyncio.get_running_loop().time())

    async def wait(self) -> None:
        """Returns when it is asked for."""
        await self._asked.wait()

    async def interrupts(self, work: Awaitable[T]) -> T | None:
        """What `work` returns. When the stop is asked for before that, `work` is cancelled, and the result is None."""
        try:
            async with asyncio.timeout(None) as self._interruptible:
                return await work
        except TimeoutError:
            if not self._asked.is_set():
                raise
            return None
        finally:
            self._interruptible = None
