"""The CPU that processes have used."""

from collections.abc import Mapping
from contextlib import suppress

import psutil


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process so far, its children included, those that have ended too. Raises
    psutil.NoSuchProcess."""
    return {name: _of(psutil.Process(pid)) for name, pid in pids.items()}


def _of(root: psutil.Process) -> float:
    total = 0.0
    for process in root.children(recursive=True):
        # One that ends now, as PostgreSQL's processes do, is in what the root has of its ended children.
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    own = root.cpu_times()
    return total + own.user + own.system + own.children_user + own.children_system
