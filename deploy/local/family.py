"""A process and all that it has started. Each is known by pid and birth, so no signal ever reaches another program."""

import signal
from collections.abc import Sequence
from contextlib import suppress

import psutil


def of(pid: int) -> list[psutil.Process]:
    """The process, first, and its descendants; nothing when it has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def stopped(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that were stopped by SIGSTOP."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_STOPPED:
                found.append(process)
    return found


def wake(processes: Sequence[psutil.Process]) -> None:
    """Lets those that are stopped go on: else they would not hear that they are to end."""
    for process in stopped(processes):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)


def kill(processes: Sequence[psutil.Process]) -> None:
    """Ends them at once, in this order."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
