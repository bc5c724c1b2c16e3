"""The game log service's settings."""

from typing import Self

from pydantic import Field, model_validator

from shared.service.settings import ReplicationSettings, ServiceSettings, listens, shows_metrics


class GameLogSettings(ServiceSettings, ReplicationSettings):
    """DATABASE_TYPE says where the events are: in PostgreSQL at DATABASE_URL or in MongoDB at MONGODB_URL."""

    listen: str = listens("127.0.0.1:50054")
    metrics_listen: str = shows_metrics("127.0.0.1:9465")
    database_type: str = Field(
        "postgresql", pattern=r"^(postgresql|mongodb)$", description="takes postgresql or mongodb"
    )
    database_url: str = Field(
        "",
        pattern=r"^($|postgres(ql)?://)",
        description="takes postgresql://user:password@host:port/database, and is required with "
        "DATABASE_TYPE=postgresql; to another host it is encrypted, unless it ends in ?sslmode=disable",
    )
    mongodb_url: str = Field(
        "",
        pattern=r"^($|mongodb(\+srv)?://[^/]+/[^/?]+)",
        description="takes mongodb://user:password@host:port/database?options, and is required with "
        "DATABASE_TYPE=mongodb; the options are those of MongoDB's connection strings, say replicaSet or tls",
    )
    retention_days: int = Field(30, ge=1, le=3650, description="takes 1 to 3650 days that events are kept")
    most_tails: int = Field(
        100,
        ge=1,
        le=10_000,
        description="takes 1 to 10000 streams of TailEvents at once, fewer than MAX_CONCURRENT_CALLS; more are refused",
    )

    @model_validator(mode="after")
    def _served(self) -> Self:
        """Raises ValueError for what does not go together."""
        variable = "DATABASE_URL" if self.database_type == "postgresql" else "MONGODB_URL"
        if not getattr(self, variable.lower()):
            description = type(self).model_fields[variable.lower()].description
            raise ValueError(f"setting {variable} is not set: it {description}")
        if self.database_type == "mongodb" and self.replication_mode != "single" and not _has_members(self.mongodb_url):
            raise ValueError(
                f"setting REPLICATION_MODE = '{self.replication_mode}': it takes a MONGODB_URL with several hosts, "
                "mongodb+srv:// or the option replicaSet; the default is single"
            )
        if "most_tails" in self.model_fields_set and self.most_tails >= self.max_concurrent_calls:
            # Each is a call in flight for as long as it lasts.
            raise ValueError(
                f"setting MOST_TAILS = '{self.most_tails}': it takes fewer than MAX_CONCURRENT_CALLS, which is "
                f"{self.max_concurrent_calls}; else those who follow the log may leave no room for any other call"
            )
        return self

    def tails_at_once(self) -> int:
        """MOST_TAILS. Where nobody has set it, half of MAX_CONCURRENT_CALLS stays for other calls."""
        if "most_tails" in self.model_fields_set:
            return self.most_tails
        return min(self.most_tails, (self.max_concurrent_calls + 1) // 2)

    def _mode(self) -> str | None:
        # What goes with the mode in PostgreSQL does not concern MongoDB, whose URL says all.
        return self.replication_mode if self.database_type == "postgresql" else None


def _has_members(url: str) -> bool:
    """Whether the URL leads to a replica set, or to several routers of a cluster."""
    scheme, _, rest = url.partition("://")
    hosts, _, options = rest.partition("/")
    names = {option.partition("=")[0].lower() for option in options.partition("?")[2].split("&")}
    return scheme == "mongodb+srv" or "," in hosts or "replicaset" in names
