"""Settings from the environment. A value that cannot work stops the start with a line that names it, what it takes
and its default; it is never silently taken for another."""

import os
import re
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.rpc.host import ConnectionRules, Tls
from shared.stores.replication import Replication
from shared.work.bounds import LONGEST_CALL_S

# Values that hold a password are not repeated in a message.
_SECRET = {"DATABASE_URL", "DATABASE_REPLICA_URLS", "REDIS_URL", "SENTINEL_PASSWORD", "MONGODB_URL"}


class SettingsError(Exception):
    """A setting cannot work; the message is all a person needs."""


def listens(default: str) -> Any:
    """The field `listen` with a service's own default."""
    return Field(
        default,
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^:]+):\d{1,5}$",
        description="takes host:port to serve gRPC on",
    )


def shows_metrics(default: str) -> Any:
    """The field `metrics_listen` with a service's own default."""
    return Field(default, pattern=r"^[^:]+:\d{1,5}$", description="takes host:port to show Prometheus metrics on")


class ServiceSettings(BaseSettings):
    """What every service takes. A description completes the error message "setting LISTEN = 'x': it …"."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # Each service gives these two their default port, with `listens` and `shows_metrics`.
    listen: str
    metrics_listen: str
    rpc_host: str = Field(
        "httpunk", pattern=r"^(httpunk|grpc_aio)$", description="takes httpunk or grpc_aio, what carries the calls"
    )
    connection_idle_s: float = Field(
        300, ge=1, le=86_400, description="takes 1 to 86400 seconds after which a client's idle connection is closed"
    )
    connection_age_s: float = Field(
        900, ge=1, le=86_400, description="takes 1 to 86400 seconds after which a client is sent to connect anew"
    )
    keepalive_s: float = Field(
        30, ge=1, le=3600, description="takes 1 to 3600 seconds of silence after which a client is pinged"
    )
    tls_certificate: Path | None = Field(
        None, description="takes the PEM file of the certificate, with its chain; without it, calls are not encrypted"
    )
    tls_key: Path | None = Field(None, description="takes the PEM file of the certificate's key")
    tls_client_ca: Path | None = Field(
        None, description="takes the PEM file of the authorities whose clients alone are let in"
    )
    replication_mode: str = Field(
        "single", pattern=r"^(single|replica|cluster)$", description="takes single, replica or cluster"
    )
    connection_pool_size: int = Field(20, ge=5, le=100, description="takes 5 to 100 connections")
    store_start_timeout_s: float = Field(
        30, ge=1, le=600, description="takes 1 to 600 seconds to wait for a store at the start"
    )
    max_concurrent_calls: int = Field(
        1000, ge=1, le=100_000, description="takes 1 to 100000 calls in flight; more are refused as OVERLOADED"
    )
    default_deadline_s: float = Field(
        10,
        ge=0.1,
        le=LONGEST_CALL_S,
        description=f"takes 0.1 to {LONGEST_CALL_S:g} seconds for a call that brings no deadline",
    )
    shutdown_notice_s: float = Field(
        1, ge=0, le=60, description="takes 0 to 60 seconds between NOT_SERVING and refusing calls"
    )
    shutdown_grace_s: float = Field(
        10, ge=0, le=300, description="takes 0 to 300 seconds for calls in flight to end on a stop"
    )
    slow_query_ms: int = Field(
        500, ge=1, le=60_000, description="takes 1 to 60000 ms from which a query is logged as slow"
    )
    log_level: str = Field(
        "INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$", description="takes DEBUG, INFO, WARNING or ERROR"
    )
    otel_exporter_otlp_endpoint: str = Field(
        "",
        pattern=r"^($|https?://)",
        description="takes the http(s) address of an OTLP gRPC collector; empty: no traces",
    )

    def connection_rules(self) -> ConnectionRules:
        """How long clients' connections live."""
        return ConnectionRules(self.connection_idle_s, self.connection_age_s, self.keepalive_s)

    def tls(self) -> Tls | None:
        """How calls are encrypted; None where they are not. Raises ValueError where a part of it is missing."""
        if self.tls_certificate is None and self.tls_key is None and self.tls_client_ca is None:
            return None
        if self.tls_certificate is None or self.tls_key is None:
            raise ValueError("certificate and key go together, and one of them is not set")
        return Tls(self.tls_certificate, self.tls_key, self.tls_client_ca)


class ReplicationSettings(BaseSettings):
    """How the PostgreSQL of a service is reached: replicated, beside REPLICATION_MODE, or behind a pooler."""

    database_pooler: str = Field(
        "none",
        pattern=r"^(none|pgbouncer)$",
        description="takes none or pgbouncer, where DATABASE_URL leads to one in transaction mode; pgbouncer only with "
        "DATABASE_TYPE=postgresql",
    )
    database_replica_urls: str = Field(
        "",
        pattern=r"^($|postgres(ql)?://)",
        description="takes the postgresql://… URLs of DATABASE_URL's streaming replicas, separated by commas; "
        "REPLICATION_MODE=replica requires it, and no other mode takes it",
    )
    replica_wait_ms: int = Field(
        100,
        ge=0,
        le=5000,
        description="takes 0 to 5000 ms that a read with a consistency_token waits for a replica before it goes to the "
        "primary",
    )
    replica_lag_s: int = Field(
        30, ge=1, le=3600, description="takes 1 to 3600 seconds behind the primary from which a replica is not read"
    )

    @model_validator(mode="after")
    def _a_pooler_hides_the_server(self) -> Self:
        mode, kind = self._mode(), getattr(self, "database_type", "postgresql")
        if self.database_pooler != "none" and kind != "postgresql":
            raise ValueError(
                f"setting DATABASE_POOLER = {self.database_pooler!r}: with DATABASE_TYPE={kind} it takes none"
            )
        if self.database_pooler != "none" and mode in ("replica", "cluster"):
            raise ValueError(
                f"setting DATABASE_POOLER = {self.database_pooler!r}: with REPLICATION_MODE={mode} it takes none, "
                "because the service has to know which server it is connected to"
            )
        return self

    @model_validator(mode="after")
    def _replicas_go_with_the_mode(self) -> Self:
        mode = self._mode()
        if mode == "replica" and getattr(self, "database_type", "") == "cockroachdb":
            raise ValueError(
                "setting REPLICATION_MODE = 'replica': with DATABASE_TYPE=cockroachdb, which replicates itself, it "
                "takes single, or cluster for several hosts in DATABASE_URL; FOLLOWER_READS=on reads histories from "
                "the nearest replica"
            )
        if mode == "replica" and not self.database_replica_urls:
            raise ValueError(
                "setting DATABASE_REPLICA_URLS is not set, and REPLICATION_MODE=replica requires it: the "
                "postgresql://… URLs of DATABASE_URL's streaming replicas, separated by commas"
            )
        if mode in ("single", "cluster") and self.database_replica_urls:
            raise ValueError(
                f"setting DATABASE_REPLICA_URLS is set, and REPLICATION_MODE={mode} does not take it: set "
                "REPLICATION_MODE=replica (which takes several hosts in DATABASE_URL too), or leave it out"
            )
        return self

    def replication(self) -> Replication:
        """How the database is replicated."""
        # A URL may have commas itself, between its hosts.
        urls = re.split(r",\s*(?=postgres(?:ql)?://)", self.database_replica_urls)
        return Replication(
            mode=self._mode() or "single",
            replica_urls=tuple(filter(None, urls)),
            wait_s=self.replica_wait_ms / 1000,
            most_behind_s=self.replica_lag_s,
        )

    def _mode(self) -> str | None:
        """REPLICATION_MODE, which every service has; None for `migrate`, which reads these settings alone."""
        return getattr(self, "replication_mode", None)


class PostgresSettings(ReplicationSettings):
    """What a service over PostgreSQL takes in addition."""

    database_type: str = Field(
        "postgresql",
        pattern=r"^(postgresql|cockroachdb)$",
        description="takes postgresql or cockroachdb; this service keeps nothing in valkey, redis, dynamodb or mongodb",
    )
    database_url: str = Field(
        min_length=1,
        pattern=r"^postgres(ql)?://",
        description="takes postgresql://user:password@host:port/database, and is required; to another host it is "
        "encrypted, unless it ends in ?sslmode=disable",
    )
    requests_kept_days: int = Field(
        7, ge=1, le=90, description="takes 1 to 90 days that the answer to a request_id is repeated"
    )


class ValkeySettings(BaseSettings):
    """What a service over Valkey or Redis takes in addition."""

    redis_url: str = Field(
        min_length=1,
        pattern=r"^(redis|rediss|unix)://",
        description="takes redis://host:port/0, rediss://… or unix:///path?db=0; for sentinels "
        "redis://host1:26379,host2:26379/0?primary=name; for a cluster redis://node1:6379,node2:6379; and is required",
    )
    sentinel_password: str = Field("", description="takes the sentinels' own password; empty: they ask for none")


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S]) -> S:
    """Reads `kind` from the environment. Raises SettingsError with a line for each value that cannot work."""
    try:
        return kind()
    except ValidationError as invalid:
        raise SettingsError("\n".join(_line(kind, error) for error in invalid.errors())) from None


def _line(kind: type[BaseSettings], error: Any) -> str:
    if not error["loc"]:
        # Said of several settings together, in words of its own.
        return str(error["ctx"]["error"])
    name = str(error["loc"][0])
    variable, field = name.upper(), kind.model_fields[name]
    given = next((value for key, value in os.environ.items() if key.upper() == variable), None)
    shown = "is not set" if given is None else "(value not shown)" if variable in _SECRET else f"= {given!r}"
    default = "" if field.is_required() else f"; the default is {field.default}"
    return f"setting {variable} {shown}: it {field.description}{default}"
