"""The profile service's settings."""

from pydantic import Field

from shared.service.settings import PostgresSettings, ServiceSettings, ValkeySettings, listens, shows_metrics


class ProfileSettings(ServiceSettings, PostgresSettings, ValkeySettings):
    """PostgreSQL holds the players; REDIS_URL is their cache, without which the service is slower and still right."""

    listen: str = listens("127.0.0.1:50051")
    metrics_listen: str = shows_metrics("127.0.0.1:9461")
    cache_ttl_s: int = Field(3600, ge=60, le=86400, description="takes 60 to 86400 seconds that a player stays cached")
