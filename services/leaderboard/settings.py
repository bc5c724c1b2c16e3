"""The leaderboard service's settings."""

from pydantic import Field

from shared.service.settings import ServiceSettings, ValkeySettings, listens, shows_metrics


class LeaderboardSettings(ServiceSettings, ValkeySettings):
    """REDIS_URL is the store of the boards: it must keep what it holds (appendonly yes) and never evict.
    REPLICATION_MODE says whether it names a server, sentinels (replica) or a cluster."""

    listen: str = listens("127.0.0.1:50053")
    metrics_listen: str = shows_metrics("127.0.0.1:9463")
    database_type: str = Field("valkey", pattern=r"^(valkey|redis)$", description="takes valkey or redis")
    requests_kept_s: int = Field(
        3600, ge=60, le=604_800, description="takes 60 to 604800 seconds that the answer to a request_id is repeated"
    )
