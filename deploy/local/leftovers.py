"""What a killed supervisor has left running. Its children were told to stop as it died; this waits for them."""

import asyncio
import time
from collections.abc import Sequence

import psutil

from deploy.local import family

_PATIENCE_S = 15.0
_AFTER_KILL_S = 5.0


async def end(processes: Sequence[psutil.Process], patience_s: float = _PATIENCE_S) -> None:
    """Waits until these have ended, and kills those that take too long, with all that they have started."""
    whole = [one for process in processes for one in family.of(process.pid)]
    family.wake(whole)
    if not await _gone(processes, patience_s):
        whole += [one for process in processes for one in family.of(process.pid)]
        family.kill(whole)
        await _gone(whole, _AFTER_KILL_S)


async def _gone(processes: Sequence[psutil.Process], within_s: float) -> bool:
    until = time.monotonic() + within_s
    while any(_runs(process) for process in processes):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.03)
    return True


def _runs(process: psutil.Process) -> bool:
    # Not psutil's wait(): that waits for a zombie too, whose parent may take its time.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
