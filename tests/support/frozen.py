"""A PostgreSQL that takes connections and answers nothing, as one on a stuck disk or a paused machine does."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def processes(data: Path) -> list[int]:
    """The server of a data directory and its backends, the server first."""
    server = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
    return [server.pid, *(child.pid for child in server.children(recursive=True))]


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Stops these processes while the context is open."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
