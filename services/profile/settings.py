"""The profile service's settings."""

from pydantic import Field

from shared.service.settings import PostgresSettings, ServiceSettings, ValkeySettings, listens, shows_metrics


class ProfileSettings(ServiceSettings, PostgresSettings, ValkeySettings):
    """PostgreSQL holds the players; REDIS_URL is their cache, without which the service is slower and still right.
    REPLICATION_MODE is PostgreSQL's, CACHE_REPLICATION_MODE the cache's."""

    listen: str = listens("127.0.0.1:50051")
    metrics_listen: str = shows_metrics("127.0.0.1:9461")
    cache_replication_mode: str = Field(
        "single",
        pattern=r"^(single|replica|cluster)$",
        description="takes single, replica (REDIS_URL names sentinels) or cluster",
    )
    cache_ttl_s: int = Field(3600, ge=60, le=86400, description="takes 60 to 86400 seconds that a player stays cached")
