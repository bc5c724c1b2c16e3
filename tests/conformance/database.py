"""What a conformance suite runs against.

A suite is a folder here, one for each kind of store: `sql` (players, wallets, items, matches), `boards`, ... Its tests
say once what every database of the kind must do, by RPCs to real service processes. Its `databases.py` lists DATABASES.
The fixtures `profile`, `inventory`, `leaderboard` … of tests/conftest.py are then services over the database whose turn
it is (conftest.py beside this file).

    make test           the quick ones
    make test-stores    all of them, and `--on "PostgreSQL 16"` any one of them
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

# The environment of each service that the kind concerns, by the service's name.
Environments = Mapping[str, Mapping[str, str]]


def can_be_had() -> str:
    """No reason why not."""
    return ""


@dataclass(frozen=True)
class Database:
    """One of a kind.

    `name` is what the README's table calls it, `server` what it is here: a program and its version. `open` starts it,
    with its data below a directory, and says how services are led to it; migrations are not its business. `unavailable`
    says why it cannot be had on this machine, and nothing where it can. `lacks` are abilities that it does not have,
    each with the reason: a test marked `@pytest.mark.needs("ability")` is skipped for it. One that is `slow` here is
    asked for less of the same.
    """

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Environments]]
    server: str = ""
    quick: bool = False
    slow: bool = False
    unavailable: Callable[[], str] = can_be_had
    lacks: Mapping[str, str] = field(default_factory=dict)
