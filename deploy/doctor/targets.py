"""What is looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_TABLES = ("postgres://", "postgresql://")
_DEFAULT_TABLE = "savepoint-leaderboard"
_MONGODB = ("mongodb://", "mongodb+srv://")
# A URL may have commas itself, between its hosts.
_BETWEEN_URLS = re.compile(r",\s*(?=postgres(?:ql)?://)")
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
    """A Valkey or Redis. `keeps` is whether it is the only place of its data; else it is a cache. The sentinels that
    its URL names have a password of their own; empty where they ask for none."""

    name: str
    url: str
    keeps: bool
    sentinel_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class MongoServer:
    """A MongoDB, or a replica set of several."""

    name: str
    url: str


@dataclass(frozen=True)
class DynamoTable:
    """A table in DynamoDB. What is empty is that of the AWS configuration."""

    name: str
    table: str
    region: str = ""
    endpoint_url: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)


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
    mongodbs: tuple[MongoServer, ...] = ()
    dynamo_tables: tuple[DynamoTable, ...] = ()
    processes: tuple[Process, ...] = ()
    gateway: Gateway | None = None
    data: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.stores or self.processes or self.gateway)

    @property
    def stores(self) -> tuple[object, ...]:
        """All of the stores."""
        return (*self.databases, *self.valkeys, *self.mongodbs, *self.dynamo_tables)

    def and_also(self, others: "Targets") -> "Targets":
        """Both, each thing once: several processes of a service have the same stores."""
        return replace(
            self,
            databases=tuple(dict.fromkeys((*self.databases, *others.databases))),
            valkeys=tuple(dict.fromkeys((*self.valkeys, *others.valkeys))),
            mongodbs=tuple(dict.fromkeys((*self.mongodbs, *others.mongodbs))),
            dynamo_tables=tuple(dict.fromkeys((*self.dynamo_tables, *others.dynamo_tables))),
            processes=tuple(dict.fromkeys((*self.processes, *others.processes))),
            gateway=self.gateway or others.gateway,
        )


def stores_of(service: str, environment: Mapping[str, str]) -> Targets:
    """The stores that a service's environment names. Of several databases, DATABASE_TYPE says which one counts. A
    Valkey beside a DATABASE_URL is a cache; alone, it is where the service keeps its data."""
    kind, name = environment.get("DATABASE_TYPE", ""), service or "unnamed"
    urls = {each: environment.get(each, "") for each in ("DATABASE_URL", "REDIS_URL", "MONGODB_URL")}
    found = Targets("")
    if kind == "dynamodb":
        return found.and_also(Targets("", dynamo_tables=(dynamo_table(name, environment),)))
    if kind == "mongodb" or not urls["DATABASE_URL"]:
        mongodbs = (MongoServer(name, urls["MONGODB_URL"]),) if urls["MONGODB_URL"].startswith(_MONGODB) else ()
        found = found.and_also(Targets("", mongodbs=mongodbs))
    elif urls["DATABASE_URL"].startswith(_TABLES):
        servers = databases(service, urls["DATABASE_URL"], environment.get("DATABASE_REPLICA_URLS", ""))
        found = found.and_also(Targets("", servers))
    if urls["REDIS_URL"].startswith(_VALKEY):
        kind_of_store = cache if urls["DATABASE_URL"] else boards
        valkey = kind_of_store(urls["REDIS_URL"], environment.get("SENTINEL_PASSWORD", ""))
        found = found.and_also(Targets("", valkeys=(valkey,)))
    return found


def dynamo_table(name: str, environment: Mapping[str, str]) -> DynamoTable:
    """The table that an environment names, as the leaderboard service takes it."""
    return DynamoTable(
        name,
        environment.get("DYNAMODB_TABLE") or _DEFAULT_TABLE,
        environment.get("AWS_REGION", ""),
        environment.get("DYNAMODB_ENDPOINT_URL", ""),
        environment.get("AWS_ACCESS_KEY_ID", ""),
        environment.get("AWS_SECRET_ACCESS_KEY", ""),
    )


def databases(service: str, url: str, replica_urls: str = "") -> tuple[Database, ...]:
    """A service's database on each of the URL's servers, and on each of the replicas, whose URLs commas separate."""
    name = service or "unnamed"
    hosts = _hosts(url)
    found = [Database(f"{name} (host {n + 1})", service, one) for n, one in enumerate(hosts)]
    if len(hosts) < 2:
        found = [Database(name, service, url)]
    replicas = [each for each in _BETWEEN_URLS.split(replica_urls) if each]
    names = [f"{name} replica"] if len(replicas) == 1 else [f"{name} replica {n + 1}" for n in range(len(replicas))]
    found += [Database(each, service, replica) for each, replica in zip(names, replicas, strict=True)]
    return tuple(found)


def _hosts(url: str) -> list[str]:
    """A connection string for each host of a URL; none where it cannot be read."""
    try:
        options = conninfo_to_dict(url)
    except ProgrammingError:
        return []
    hosts, ports = str(options.get("host") or "").split(","), str(options.get("port") or "").split(",")
    every = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return [
        # Whichever it is, primary or replica: each is looked at.
        make_conninfo(url, host=host, port=port or None, target_session_attrs="any")
        for host, port in zip(hosts, every, strict=True)
    ]


def cache(url: str, sentinel_password: str = "") -> ValkeyServer:
    """The player cache."""
    return ValkeyServer("cache", url, keeps=False, sentinel_password=sentinel_password)


def boards(url: str, sentinel_password: str = "") -> ValkeyServer:
    """The store of the leaderboards."""
    return ValkeyServer("boards", url, keeps=True, sentinel_password=sentinel_password)
