"""What is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_TABLES = ("postgres://", "postgresql://")
_VALKEY = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database. `service` is the folder in services/ whose migrations it must have; empty where nobody
    knows."""

    name: str
    service: str
    url: str


@dataclass(frozen=True)
class ValkeyServer:
    """A Valkey or Redis. `keeps` is whether it is the only place of its data; else it is a cache."""

    name: str
    url: str
    keeps: bool


@dataclass(frozen=True)
class Process:
    """A process of a service: where it answers calls, and where it shows its metrics; empty where nobody knows."""

    name: str
    service: str
    rpc: str = ""
    metrics: str = ""


@dataclass(frozen=True)
class Gateway:
    """Where game servers call, and where Envoy shows its metrics; empty where nobody knows."""

    rpc: str = ""
    metrics: str = ""


@dataclass(frozen=True)
class Targets:
    """All of it. `source` says where it is known from; `data` is where an embedded stack keeps its data."""

    source: str
    databases: tuple[Database, ...] = ()
    valkeys: tuple[ValkeyServer, ...] = ()
    processes: tuple[Process, ...] = ()
    gateway: Gateway | None = None
    data: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.databases or self.valkeys or self.processes or self.gateway)

    def and_also(self, others: "Targets") -> "Targets":
        """Both, each thing once: several processes of a service have the same stores."""
        return replace(
            self,
            databases=tuple(dict.fromkeys((*self.databases, *others.databases))),
            valkeys=tuple(dict.fromkeys((*self.valkeys, *others.valkeys))),
            processes=tuple(dict.fromkeys((*self.processes, *others.processes))),
            gateway=self.gateway or others.gateway,
        )


def stores_of(service: str, environment: Mapping[str, str]) -> Targets:
    """The stores that a service's environment names. A Valkey beside a DATABASE_URL is a cache; alone, it is where the
    service keeps its data."""
    database_url, redis_url = environment.get("DATABASE_URL", ""), environment.get("REDIS_URL", "")
    databases = (Database(service or "unnamed", service, database_url),) if database_url.startswith(_TABLES) else ()
    valkeys: tuple[ValkeyServer, ...] = ()
    if redis_url.startswith(_VALKEY):
        valkeys = (cache(redis_url) if database_url else boards(redis_url),)
    return Targets("", databases, valkeys)


def cache(url: str) -> ValkeyServer:
    """The player cache."""
    return ValkeyServer("cache", url, keeps=False)


def boards(url: str) -> ValkeyServer:
    """The store of the leaderboards."""
    return ValkeyServer("boards", url, keeps=True)
