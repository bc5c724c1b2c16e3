"""The stores, and how each service is led to its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from deploy.local.layout import Layout
from deploy.local.part import Part
from deploy.local.servers.dynamodb import dynamodb
from deploy.local.servers.mongodb import MongoDb
from deploy.local.servers.postgres import USER, Postgres
from deploy.local.servers.replicated_postgres import ReplicatedPostgres, pair
from deploy.local.servers.valkey import Cache, Ranks, Valkey
from deploy.local.servers.valkey_cluster import ClusterGroup
from deploy.local.servers.valkey_sentinel import SentinelGroup
from deploy.local.settings import StackSettings


@dataclass(frozen=True)
class Way:
    """How a service comes to a store: the parts that must be up first, and the settings that name it."""

    needs: tuple[str, ...]
    settings: Mapping[str, str]


class Stores:
    """What the services keep their data in, as the settings ask for it; `parts` is all of it."""

    def __init__(self, layout: Layout, settings: StackSettings) -> None:
        self.postgres: Postgres
        self.replica: ReplicatedPostgres | None = None
        if settings.replication_mode == "single":
            self.postgres = Postgres(layout)
        else:
            self.postgres, self.replica = pair(layout, synchronous=settings.synchronous_replication)
        self.cache, self.ranks = Cache(layout), Ranks(layout)
        servers = (self.postgres, self.replica) if self.replica else (self.postgres,)
        # Each mode keeps data of its own.
        self.cache_group = _group(layout, self.cache, settings.cache_replication_mode, settings.cache_port)
        self.ranks_group = _group(layout, self.ranks, settings.replication_mode, settings.ranks_port)
        self.dynamodb = (
            dynamodb(layout, settings.dynamodb_port) if settings.leaderboard_database_type == "dynamodb" else None
        )
        self.mongodb = MongoDb(layout, settings.mongodb_port) if settings.gamelog_database_type == "mongodb" else None
        boards = (self.dynamodb,) if self.dynamodb else self.ranks_group.parts
        self.parts: tuple[Part, ...] = (*servers, *self.cache_group.parts, *boards)
        if self.mongodb:
            self.parts += (self.mongodb,)
        self._settings = settings

    def postgres_url(self, database: str) -> str:
        """DATABASE_URL of a service that keeps SQL: `profile`, say."""
        if self._settings.replication_mode == "cluster" and self.replica:
            hosts = f"{self.postgres.sockets},{self.replica.sockets}"
            return f"postgresql://{USER}@/{database}?host={quote(hosts, safe='/,')}"
        return self.postgres.url(database)

    @property
    def cache_url(self) -> str:
        """REDIS_URL of the player cache."""
        return self.cache_group.url

    @property
    def ranks_url(self) -> str:
        """REDIS_URL of the leaderboards."""
        return self.ranks_group.url

    def sql(self, database: str) -> Way:
        """To the tables of a service."""
        mode = self._settings.replication_mode
        settings = {"DATABASE_TYPE": "postgresql", "DATABASE_URL": self.postgres_url(database)}
        if self.replica is None:
            return Way((self.postgres.name,), settings)
        settings["REPLICATION_MODE"] = mode
        if mode == "replica":
            settings["DATABASE_REPLICA_URLS"] = self.replica.url(database)
        return Way((self.postgres.name, self.replica.name), settings)

    def player_cache(self) -> Way:
        """To the copies of players."""
        mode = {"CACHE_REPLICATION_MODE": self._settings.cache_replication_mode}
        return Way(_names(self.cache_group.parts), {**mode, **self.cache_group.settings})

    def boards(self) -> Way:
        """To the leaderboards."""
        if self.dynamodb:
            return Way((self.dynamodb.name,), self.dynamodb.settings)
        chosen = {"DATABASE_TYPE": "valkey", "REPLICATION_MODE": self._settings.replication_mode}
        return Way(_names(self.ranks_group.parts), {**chosen, **self.ranks_group.settings})

    def game_log(self) -> Way:
        """To the events."""
        if self.mongodb is None:
            return self.sql("gamelog")
        return Way((self.mongodb.name,), {"DATABASE_TYPE": "mongodb", "MONGODB_URL": self.mongodb.url("gamelog")})


class _Alone:
    """The group of a server that is alone."""

    def __init__(self, server: Valkey) -> None:
        self.parts: tuple[Part, ...] = (server,)
        self.url = server.url
        self.settings = {"REDIS_URL": server.url}


def _group(layout: Layout, alone: Valkey, mode: str, port: int) -> "_Alone | SentinelGroup | ClusterGroup":
    if mode == "replica":
        return SentinelGroup(layout, alone.name, port, alone.settings)
    if mode == "cluster":
        return ClusterGroup(layout, alone.name, port, alone.settings)
    return _Alone(alone)


def _names(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(part.name for part in parts)
