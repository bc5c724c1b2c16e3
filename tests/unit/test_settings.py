"""Settings: their defaults, and what a value that cannot work is answered with."""

import os

import pytest

from services.gamelog.settings import GameLogSettings
from services.inventory.settings import InventorySettings
from services.leaderboard.settings import LeaderboardSettings
from services.profile.settings import ProfileSettings
from shared.service.settings import PostgresSettings, SettingsError, load

GOOD = {"DATABASE_URL": "postgresql://u:secret@host/db", "REDIS_URL": "redis://host:6379/0"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_defaults_are_as_documented() -> None:
    settings = load(ProfileSettings)
    assert (settings.database_type, settings.connection_pool_size, settings.cache_ttl_s) == ("postgresql", 20, 3600)
    assert (settings.replication_mode, settings.listen) == ("single", "127.0.0.1:50051")
    assert load(InventorySettings).listen == "127.0.0.1:50052"
    assert load(LeaderboardSettings).listen == "127.0.0.1:50053"


@pytest.mark.parametrize(
    ("variable", "least", "most"),
    [("CONNECTION_POOL_SIZE", 5, 100), ("CACHE_TTL_S", 60, 86400), ("REQUESTS_KEPT_DAYS", 1, 90)],
)
def test_the_ends_of_a_range_are_good_and_what_lies_beyond_is_refused_with_the_range(
    environment: pytest.MonkeyPatch, variable: str, least: int, most: int
) -> None:
    for good in (least, most):
        environment.setenv(variable, str(good))
        assert getattr(load(ProfileSettings), variable.lower()) == good
    for bad in (str(least - 1), str(most + 1), "many", "", "7.5"):
        environment.setenv(variable, bad)
        with pytest.raises(SettingsError) as raised:
            load(ProfileSettings)
        assert f"{variable} = '{bad}'" in str(raised.value)
        assert f"{least} to {most}" in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "bad", "says"),
    [
        ("DATABASE_TYPE", "mongodb", "takes postgresql or cockroachdb; this service keeps nothing in valkey, redis"),
        ("DATABASE_TYPE", "PostgreSQL", "takes postgresql or cockroachdb"),
        ("DATABASE_POOLER", "pgpool", "takes none or pgbouncer"),
        ("LISTEN", "nowhere", "takes host:port"),
        ("LOG_LEVEL", "loud", "takes DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_what_is_not_built_is_refused_and_never_taken_for_something_else(
    environment: pytest.MonkeyPatch, variable: str, bad: str, says: str
) -> None:
    environment.setenv(variable, bad)
    with pytest.raises(SettingsError, match=f"{variable} = '{bad}': it {says}"):
        load(ProfileSettings)


def test_follower_reads_are_cockroachdb_s(environment: pytest.MonkeyPatch) -> None:
    for bad in ("yes", "on"):
        environment.setenv("FOLLOWER_READS", bad)
        with pytest.raises(
            SettingsError, match=rf"FOLLOWER_READS = '{bad}': it takes off or on: .* DATABASE_TYPE=cock"
        ):
            load(InventorySettings)
    environment.setenv("DATABASE_TYPE", "cockroachdb")
    assert load(InventorySettings).follower_reads == "on"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"DATABASE_TYPE": "cockroachdb", "DATABASE_POOLER": "pgbouncer"},
            "DATABASE_POOLER = .* it takes none",
        ),
        (
            {"DATABASE_TYPE": "cockroachdb", "REPLICATION_MODE": "replica"},
            "REPLICATION_MODE = 'replica': .* single, or cl",
        ),
        (
            {"DATABASE_POOLER": "pgbouncer", "REPLICATION_MODE": "cluster"},
            "DATABASE_POOLER = 'pgbouncer': .* takes none",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    environment: pytest.MonkeyPatch, given: dict[str, str], says: str
) -> None:
    for variable, value in given.items():
        environment.setenv(variable, value)
    with pytest.raises(SettingsError, match=says):
        load(ProfileSettings)


def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    with pytest.raises(SettingsError, match=r"DATABASE_URL is not set: .* required"):
        load(InventorySettings)


def test_a_password_is_not_repeated_in_a_message(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "mysql://u:secret@host/db")
    with pytest.raises(SettingsError, match="DATABASE_URL") as raised:
        load(ProfileSettings)
    assert "secret" not in str(raised.value)


def test_the_leaderboard_takes_what_its_database_needs(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")
    for kind in ("valkey", "redis"):
        environment.setenv("DATABASE_TYPE", kind)
        with pytest.raises(SettingsError, match=f"REDIS_URL is not set: it takes redis://.* DATABASE_TYPE is {kind}"):
            load(LeaderboardSettings)
    environment.setenv("DATABASE_TYPE", "dynamodb")
    settings = load(LeaderboardSettings)
    assert (settings.dynamodb_table, settings.aws_region) == ("savepoint-leaderboard", "")
    assert (settings.dynamodb_exact_ranks, settings.dynamodb_shards) == (10_000, 4)
    environment.setenv("DATABASE_TYPE", "mongodb")
    with pytest.raises(SettingsError, match="DATABASE_TYPE = 'mongodb': it takes valkey, redis or dynamodb"):
        load(LeaderboardSettings)


@pytest.mark.parametrize("mode", ["replica", "cluster"])
def test_dynamodb_replicates_itself(environment: pytest.MonkeyPatch, mode: str) -> None:
    environment.setenv("DATABASE_TYPE", "dynamodb")
    environment.setenv("REPLICATION_MODE", mode)
    with pytest.raises(SettingsError, match=f"REPLICATION_MODE = '{mode}': .*takes single, since DynamoDB replicates"):
        load(LeaderboardSettings)


@pytest.mark.parametrize(
    ("variable", "bad", "says"),
    [
        ("DYNAMODB_SHARDS", "25", "takes 1 to 24 partitions"),
        ("DYNAMODB_EXACT_RANKS", "0", "takes 1 to 100000 ranks"),
        ("DYNAMODB_TABLE", "a b", "takes 3 to 255"),
        ("DYNAMODB_ENDPOINT_URL", "localhost:8000", r"takes the http\(s\) address"),
    ],
)
def test_a_bad_value_of_dynamodb_is_named(environment: pytest.MonkeyPatch, variable: str, bad: str, says: str) -> None:
    environment.setenv(variable, bad)
    with pytest.raises(SettingsError, match=f"{variable} = '{bad}': it {says}"):
        load(LeaderboardSettings)


def test_a_batch_under_a_request_id_fits_into_a_transaction_whatever_the_shards() -> None:
    from services.leaderboard.boards.dynamodb.changes import MOST_SHARDS

    [most] = [rule.le for rule in LeaderboardSettings.model_fields["dynamodb_shards"].metadata if hasattr(rule, "le")]
    assert most == MOST_SHARDS


MONGODB = "mongodb://u:secret@host/savepoint_gamelog"


def test_the_game_log_takes_the_url_of_its_database_and_no_other(environment: pytest.MonkeyPatch) -> None:
    assert load(GameLogSettings).listen == "127.0.0.1:50054"
    assert load(GameLogSettings).metrics_listen == "127.0.0.1:9465"
    environment.delenv("DATABASE_URL")
    environment.setenv("MONGODB_URL", MONGODB)
    with pytest.raises(SettingsError, match="DATABASE_URL is not set: it takes postgresql://"):
        load(GameLogSettings)
    environment.setenv("DATABASE_TYPE", "mongodb")
    assert load(GameLogSettings).mongodb_url == MONGODB
    environment.delenv("MONGODB_URL")
    with pytest.raises(SettingsError, match="MONGODB_URL is not set: it takes mongodb://"):
        load(GameLogSettings)


@pytest.mark.parametrize(
    "url", ["mongodb://host", "mongodb://host/", "mongodb://host/?replicaSet=rs", "http://host/db"]
)
def test_a_mongodb_url_without_a_database_is_refused_and_not_repeated(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("MONGODB_URL", url)
    with pytest.raises(SettingsError, match=r"MONGODB_URL \(value not shown\): it takes mongodb://"):
        load(GameLogSettings)


@pytest.mark.parametrize("kind", ["dynamodb", "cockroachdb", "valkey", "MongoDB", ""])
def test_the_game_log_refuses_other_databases_with_those_that_it_takes(
    environment: pytest.MonkeyPatch, kind: str
) -> None:
    environment.setenv("DATABASE_TYPE", kind)
    with pytest.raises(SettingsError, match="it takes postgresql or mongodb; the default is postgresql"):
        load(GameLogSettings)


@pytest.mark.parametrize("mode", ["replica", "cluster"])
def test_the_game_log_is_replicated_where_its_url_says_so(environment: pytest.MonkeyPatch, mode: str) -> None:
    environment.setenv("REPLICATION_MODE", mode)
    environment.setenv("DATABASE_TYPE", "mongodb")
    environment.setenv("MONGODB_URL", f"{MONGODB}?retryWrites=true")
    with pytest.raises(SettingsError, match=f"REPLICATION_MODE = '{mode}': it takes a MONGODB_URL with several hosts"):
        load(GameLogSettings)
    for good in (f"{MONGODB}?w=1&replicaSet=rs", "mongodb+srv://host/db", "mongodb://a,b/db"):
        environment.setenv("MONGODB_URL", good)
        assert load(GameLogSettings).replication_mode == mode


@pytest.mark.parametrize("days", ["0", "3651", "x"])
def test_the_retention_has_its_ends(environment: pytest.MonkeyPatch, days: str) -> None:
    environment.setenv("RETENTION_DAYS", days)
    with pytest.raises(SettingsError, match=f"RETENTION_DAYS = '{days}': it takes 1 to 3650 days"):
        load(GameLogSettings)


def test_those_who_follow_the_log_leave_room_for_other_calls(environment: pytest.MonkeyPatch) -> None:
    assert load(GameLogSettings).tails_at_once() == 100
    environment.setenv("MAX_CONCURRENT_CALLS", "101")
    assert load(GameLogSettings).tails_at_once() == 51
    environment.setenv("MOST_TAILS", "100")
    assert load(GameLogSettings).tails_at_once() == 100
    environment.setenv("MOST_TAILS", "101")
    with pytest.raises(
        SettingsError, match="MOST_TAILS = '101': it takes fewer than MAX_CONCURRENT_CALLS, which is 101"
    ):
        load(GameLogSettings)


REPLICAS = "postgresql://u:secret@r1/db, postgresql://u:secret@r2,r3/db?target_session_attrs=any"


def test_replicas_go_with_their_mode_and_no_other(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REPLICATION_MODE", "replica")
    with pytest.raises(
        SettingsError, match="DATABASE_REPLICA_URLS is not set, and REPLICATION_MODE=replica requires it"
    ):
        load(ProfileSettings)
    environment.setenv("DATABASE_REPLICA_URLS", REPLICAS)
    environment.setenv("REPLICA_WAIT_MS", "250")
    replication = load(InventorySettings).replication()
    assert replication.replica_urls == (
        "postgresql://u:secret@r1/db",
        "postgresql://u:secret@r2,r3/db?target_session_attrs=any",
    )
    assert (replication.mode, replication.wait_s, replication.most_behind_s) == ("replica", 0.25, 30)
    for mode in ("single", "cluster"):
        environment.setenv("REPLICATION_MODE", mode)
        with pytest.raises(SettingsError, match=f"REPLICATION_MODE={mode} does not take it") as refused:
            load(ProfileSettings)
        assert "secret" not in str(refused.value)
    environment.delenv("DATABASE_REPLICA_URLS")
    assert load(ProfileSettings).replication().mode == "cluster"


def test_replica_urls_are_urls_and_their_password_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REPLICATION_MODE", "replica")
    environment.setenv("DATABASE_REPLICA_URLS", "u:secret@r1")
    with pytest.raises(SettingsError, match="DATABASE_REPLICA_URLS") as refused:
        load(ProfileSettings)
    assert "secret" not in str(refused.value)


def test_the_game_log_s_replicas_are_postgresql_s_alone(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REPLICATION_MODE", "replica")
    with pytest.raises(SettingsError, match="DATABASE_REPLICA_URLS is not set"):
        load(GameLogSettings)
    environment.setenv("DATABASE_REPLICA_URLS", REPLICAS)
    assert len(load(GameLogSettings).replication().replica_urls) == 2
    environment.delenv("DATABASE_REPLICA_URLS")
    environment.setenv("REPLICATION_MODE", "cluster")
    assert load(GameLogSettings).replication().mode == "cluster"


def test_migrations_do_not_ask_for_the_mode(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_REPLICA_URLS", REPLICAS)
    assert load(PostgresSettings).replication().mode == "single"
