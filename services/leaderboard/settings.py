"""The leaderboard service's settings."""

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings

from shared.service.settings import ServiceSettings, SettingsError, ValkeySettings, listens, shows_metrics

DYNAMODB = "dynamodb"


class DynamoDbSettings(BaseSettings):
    """What DATABASE_TYPE=dynamodb takes in addition. Credentials are found as every client of AWS finds them:
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, the role of the container or of the machine."""

    dynamodb_table: str = Field(
        "savepoint-leaderboard",
        pattern=r"^[a-zA-Z0-9_.-]{3,255}$",
        description="takes 3 to 255 of a-z A-Z 0-9 _ . -, the table's name; dynamodb only",
    )
    aws_region: str = Field(
        "",
        pattern=r"^[a-z0-9-]*$",
        description="takes an AWS region, say eu-central-1; empty: that of the AWS configuration; dynamodb only",
    )
    dynamodb_endpoint_url: str = Field(
        "",
        pattern=r"^($|https?://)",
        description="takes the http(s) address of a DynamoDB other than Amazon's; empty: Amazon's; dynamodb only",
    )
    dynamodb_exact_ranks: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="takes 1 to 100000 ranks from the top that are exact; others may be estimates; dynamodb only",
    )
    dynamodb_shards: int = Field(
        4,
        ge=1,
        le=24,
        description="takes 1 to 24 partitions that the entries of a new board are spread over; dynamodb only",
    )


class LeaderboardSettings(ServiceSettings, ValkeySettings, DynamoDbSettings):
    """REDIS_URL is the store of the boards: it must keep what it holds (appendonly yes) and never evict.
    REPLICATION_MODE says whether it names a server, sentinels (replica) or a cluster."""

    listen: str = listens("127.0.0.1:50053")
    metrics_listen: str = shows_metrics("127.0.0.1:9463")
    database_type: str = Field(
        "valkey", pattern=r"^(valkey|redis|dynamodb)$", description="takes valkey, redis or dynamodb"
    )
    redis_url: str = Field(
        "",
        pattern=r"^($|(redis|rediss|unix)://)",
        description=f"{ValkeySettings.model_fields['redis_url'].description} with valkey and redis",
    )
    requests_kept_s: int = Field(
        3600, ge=60, le=604_800, description="takes 60 to 604800 seconds that the answer to a request_id is repeated"
    )

    def model_post_init(self, context: Any) -> None:
        """Raises SettingsError where two values do not go together."""
        if self.database_type == DYNAMODB:
            if self.replication_mode != "single":
                raise SettingsError(
                    f"setting REPLICATION_MODE = {self.replication_mode!r}: with DATABASE_TYPE=dynamodb it takes "
                    "single, since DynamoDB replicates itself: over three zones of a region, and over regions "
                    "as a global table (deploy/README.md)"
                )
        elif not self.redis_url:
            raise SettingsError(
                f"setting REDIS_URL is not set: it {type(self).model_fields['redis_url'].description}, and "
                f"DATABASE_TYPE is {self.database_type}"
            )
