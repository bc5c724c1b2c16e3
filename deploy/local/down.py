"""`down`: stops the suite, whoever started it."""

import asyncio
import time
from contextlib import suppress

import psutil

from deploy.local import leftovers, state
from deploy.local.display import short
from deploy.local.layout import Layout
from deploy.local.settings import StackSettings

OK = 0
_PATIENCE_S = 60.0  # more than a supervisor gives all of its parts together


def down(settings: StackSettings) -> int:
    """Ends the supervisor and all its parts; returns when they are gone. Nothing to stop is no failure."""
    layout = Layout.of(settings.savepoint_data)
    running = state.read(layout)
    if running is None:
        print("Savepoint is not running.")
        return OK
    began = time.monotonic()
    asyncio.run(_end(running))
    layout.state.unlink(missing_ok=True)
    seconds = time.monotonic() - began
    print(f"Stopped in {seconds:.1f} s: no process is left, and the data stays in {short(str(layout.data))}.")
    return OK


async def _end(running: state.State) -> None:
    supervisor = running.supervisor.process()
    if supervisor is not None:
        print(f"Stopping Savepoint (pid {supervisor.pid}) ...")
        with suppress(psutil.NoSuchProcess):
            supervisor.terminate()
        await leftovers.end([supervisor], _PATIENCE_S)
    # When the supervisor was killed, by somebody or by us, some of its parts may still be ending.
    await leftovers.end(running.alive())
