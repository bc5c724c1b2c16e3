"""The CPU that processes have used."""

from collections.abc import Mapping

import psutil


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process so far, its children included. Raises psutil.NoSuchProcess."""
    return {name: _of(psutil.Process(pid)) for name, pid in pids.items()}


def _of(root: psutil.Process) -> float:
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
    ended = root.cpu_times()
    return total + ended.children_user + ended.children_system
