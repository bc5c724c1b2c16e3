"""The stores, and how each service is led to its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from deploy.local.dynamodb import dynamodb
from deploy.local.layout import Layout
from deploy.local.mongodb import MongoDb
from deploy.local.part import Part
from deploy.local.postgres import USER, Postgres
from deploy.local.replicated_postgres import ReplicatedPostgres, pair
from deploy.local.settings import StackSettings
from deploy.local.valkey import Cache, Ranks


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
        self.dynamodb = (
            dynamodb(layout, settings.dynamodb_port) if settings.leaderboard_database_type == "dynamodb" else None
        )
        self.mongodb = MongoDb(layout, settings.mongodb_port) if settings.gamelog_database_type == "mongodb" else None
        self.parts: tuple[Part, ...] = (*servers, self.cache, self.dynamodb or self.ranks)
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
        return self.cache.url

    @property
    def ranks_url(self) -> str:
        """REDIS_URL of the leaderboards."""
        return self.ranks.url

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
        return Way((self.cache.name,), {"REDIS_URL": self.cache_url})

    def boards(self) -> Way:
        """To the leaderboards."""
        if self.dynamodb:
            return Way((self.dynamodb.name,), self.dynamodb.settings)
        return Way((self.ranks.name,), {"DATABASE_TYPE": "valkey", "REDIS_URL": self.ranks_url})

    def game_log(self) -> Way:
        """To the events."""
        if self.mongodb is None:
            return self.sql("gamelog")
        return Way((self.mongodb.name,), {"DATABASE_TYPE": "mongodb", "MONGODB_URL": self.mongodb.url("gamelog")})
