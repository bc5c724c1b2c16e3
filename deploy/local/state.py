"""What is running, kept in the data directory: a lock that lives exactly as long as the supervisor, and a file that
tells others who it is and what it runs."""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from io import FileIO
from typing import Any

import psutil

from deploy.local.layout import Layout


@dataclass(frozen=True)
class Recorded:
    """A process, known by its pid and by when it was made: a pid alone may be another program's by now."""

    pid: int
    created: float
    restarts: int = 0

    @classmethod
    def of(cls, pid: int, restarts: int = 0) -> "Recorded | None":
        """The live process with this pid, or None when it has ended already."""
        with suppress(psutil.NoSuchProcess):
            return cls(pid, psutil.Process(pid).create_time(), restarts)
        return None

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) < 0.1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


@dataclass(frozen=True)
class State:
    """The supervisor, its settings, and the processes it has started."""

    supervisor: Recorded
    settings: dict[str, Any]
    parts: dict[str, Recorded] = field(default_factory=dict)

    def alive(self) -> list[psutil.Process]:
        """Every recorded process of a part that still runs."""
        return [process for part in self.parts.values() if (process := part.process()) is not None]


def write(layout: Layout, state: State) -> None:
    """Replaces the file at once, so that a reader never sees half of it."""
    aside = layout.state.with_suffix(".new")
    aside.write_text(json.dumps(asdict(state), indent=1, default=str) + "\n")
    aside.replace(layout.state)


def read(layout: Layout) -> State | None:
    """What the last supervisor wrote, or None when there is nothing that can be read."""
    try:
        content = json.loads(layout.state.read_text())
        parts = {name: Recorded(**part) for name, part in content["parts"].items()}
        return State(Recorded(**content["supervisor"]), content["settings"], parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def lock(layout: Layout) -> FileIO | None:
    """Takes the lock and returns the file that holds it until it is closed, or None when another process has it.

    The kernel frees it when its holder dies, so no stale file can ever be in the way.
    """
    file = FileIO(os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
