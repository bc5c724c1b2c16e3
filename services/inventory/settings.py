"""The inventory service's settings."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from shared.service.settings import PostgresSettings, ServiceSettings, listens, shows_metrics


class InventorySettings(ServiceSettings, PostgresSettings):
    """PostgreSQL holds the items and matches; the profile service says which players exist."""

    listen: str = listens("127.0.0.1:50052")
    metrics_listen: str = shows_metrics("127.0.0.1:9462")
    follower_reads: str = Field(
        "off",
        pattern=r"^(off|on)$",
        description="takes off or on: lists of matches and finished matches come from the nearest replica, some "
        "seconds old; on only with DATABASE_TYPE=cockroachdb",
    )
    profile_target: str = Field(
        "127.0.0.1:50051",
        min_length=1,
        description="takes the gRPC target of the profile service, say profile:50051",
    )
    profile_ca: Path | None = Field(
        None, description="takes the PEM file of the authority of profile's certificate; without it, calls are plain"
    )

    @field_validator("follower_reads")
    @classmethod
    def _followers_are_cockroachdb_s(cls, reads: str, others: ValidationInfo) -> str:
        if reads == "on" and others.data.get("database_type") != "cockroachdb":
            raise ValueError(reads)
        return reads
