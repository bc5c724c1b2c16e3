"""Shows how far each phase of the demo is, and times it. On stderr: stdout is for the result."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

# Drawing costs the processor that plays, so it is done seldom.
_EVERY_S = 0.25


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


class Phases:
    """The phases, one after the other. `seconds` says how long each that is over took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @asynccontextmanager
    async def show(self, name: str, total: int, done: Callable[[], int]) -> AsyncIterator[None]:
        """Around a phase of `total` steps: a bar that follows `done()` where there is a terminal, else a line at the
        end."""
        began = time.monotonic()
        if self._console.is_terminal:
            async with self._bar(name, total, done):
                yield
        else:
            yield
            self._console.print(f"{name}: {done():,} in {time.monotonic() - began:.1f} s", highlight=False)
        self.seconds[name] = time.monotonic() - began

    @asynccontextmanager
    async def _bar(self, name: str, total: int, done: Callable[[], int]) -> AsyncIterator[None]:
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*columns, console=self._console, auto_refresh=False) as progress:
            bar = progress.add_task(name, total=total)

            async def follow() -> None:
                while True:
                    progress.update(bar, completed=done(), refresh=True)
                    await asyncio.sleep(_EVERY_S)

            follower = asyncio.create_task(follow(), name="progress bar")
            try:
                yield
            finally:
                follower.cancel()
                with suppress(asyncio.CancelledError):
                    await follower
                progress.update(bar, completed=done(), refresh=True)
