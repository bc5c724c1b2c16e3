"""How much memory processes have."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Memory:
    """Of one process and its children together, in bytes: all that is resident, and what is its own."""

    rss: int
    uss: int


def memory_of(pids: Mapping[str, int]) -> dict[str, Memory]:
    """That of each process by its name. Raises psutil.NoSuchProcess."""
    memory = {}
    for name, pid in pids.items():
        root = psutil.Process(pid)
        each = [process.memory_full_info() for process in (root, *root.children(recursive=True))]
        memory[name] = Memory(sum(info.rss for info in each), sum(info.uss for info in each))
    return memory
