"""Redis itself in the place of Valkey, where its server is installed: Debian's package redis-server has version 7."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest import mock

from deploy.local import engines

PACKAGE = "redis-server"


@cache
def program() -> str | None:
    """Where it is installed, if it is."""
    return shutil.which(PACKAGE)


def none() -> str:
    """Why there is none here; nothing where there is one."""
    return "" if program() else f"no {PACKAGE} here; apt-get install {PACKAGE}"


@cache
def version() -> str:
    """Which one is installed: Redis 7.0.15, say."""
    found = program()
    if found is None:
        return "Redis"
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return f"Redis {told.partition('v=')[2].partition(' ')[0]}"


@contextmanager
def instead_of_valkey() -> Iterator[None]:
    """Every Valkey that is started while the context is open is a Redis, with the same settings."""
    with mock.patch.object(engines, "valkey", return_value=Path(program() or PACKAGE)):
        yield
