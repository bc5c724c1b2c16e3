"""What the doctor makes of what it is told, without a server: what is looked at, and what metrics mean."""

import argparse
import math
from datetime import date

import pytest

from deploy.doctor.finding import Finding, Severity
from deploy.doctor.limits import LIMITS
from deploy.doctor.named import NotUnderstoodError, targets
from deploy.doctor.postgres import server
from deploy.doctor.processes import answers, errors, gateway, pools, replicas, upkeep
from deploy.doctor.processes.sample import Sample
from deploy.doctor.targets import stores_of
from shared.work.retry import Transient

NONE: dict[str, list[str]] = {"database": [], "valkey": [], "mongodb": [], "service": [], "metrics": []}
CALLS, CODE = "rpc_server_duration_seconds_count", "rpc_grpc_status_code"


def options(**given: list[str]) -> argparse.Namespace:
    return argparse.Namespace(**{**NONE, "gateway": None, "gateway_metrics": None, **given})


def sample(**values: list[tuple[dict[str, str], float]]) -> Sample:
    return Sample({name: tuple(each) for name, each in values.items()})


def severities(findings: list[Finding]) -> list[Severity]:
    return [each.severity for each in findings]


def test_nothing_named_is_nothing() -> None:
    assert not targets(options(), {})


def test_options_come_before_the_environment() -> None:
    environment = {"PROFILE_DATABASE_URL": "postgresql://a/profile", "BOARDS_REDIS_URL": "redis://b"}
    found = targets(options(database=["profile=postgresql://c/profile"]), environment)
    assert [each.url for each in found.databases] == ["postgresql://c/profile"]
    assert [(each.name, each.keeps) for each in found.valkeys] == [("boards", True)]


def test_a_service_s_own_environment_says_what_its_stores_are() -> None:
    profile = {"DATABASE_URL": "postgresql://u@h/profile", "REDIS_URL": "redis://c"}
    found = targets(options(), profile)
    assert [(each.name, each.service) for each in found.databases] == [("profile", "profile")]
    assert [(each.name, each.keeps) for each in found.valkeys] == [("cache", False)]
    [leaderboard] = targets(options(), {"REDIS_URL": "redis://b"}).valkeys
    assert leaderboard.keeps


def test_each_host_and_each_replica_is_looked_at() -> None:
    found = stores_of("profile", {"DATABASE_URL": "postgresql://u@one:1,two:2/profile?target_session_attrs=read-write"})
    assert [each.name for each in found.databases] == ["profile (host 1)", "profile (host 2)"]
    assert all("target_session_attrs=any" in each.url for each in found.databases)
    assert ["host=one" in each.url and "port=1" in each.url for each in found.databases] == [True, False]
    urls = "postgresql://u@r1,r2/profile,postgresql://u@r3/profile"
    found = stores_of("profile", {"DATABASE_URL": "postgresql://u@h/profile", "DATABASE_REPLICA_URLS": urls})
    assert [each.name for each in found.databases] == ["profile", "profile replica 1", "profile replica 2"]


def test_processes_of_a_service_are_told_apart() -> None:
    given = options(
        service=["profile=127.0.0.1:1", "profile=127.0.0.1:2", "inventory=127.0.0.1:3"],
        metrics=["profile=127.0.0.1:11", "profile=127.0.0.1:12"],
    )
    found = targets(given, {"DOCTOR_GATEWAY": "gateway:8080"})
    assert [(each.name, each.rpc, each.metrics) for each in found.processes] == [
        ("profile at 127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:11"),
        ("profile at 127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:12"),
        ("inventory", "127.0.0.1:3", ""),
    ]
    assert found.gateway is not None
    assert found.gateway.rpc == "gateway:8080"


@pytest.mark.parametrize(
    "wrong", [{"database": ["profile"]}, {"service": ["profile=8080"]}, {"valkey": ["x=redis://h"]}]
)
def test_what_cannot_be_understood_is_refused(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(NotUnderstoodError):
        targets(options(**wrong), {})


@pytest.mark.parametrize(
    ("number", "severity"),
    [(140_010, Severity.PROBLEM), (150_020, Severity.PROBLEM), (160_001, Severity.NOTICE), (180_001, Severity.OK)],
)
def test_a_version_out_of_support_is_told(number: int, severity: Severity) -> None:
    assert severities(server.version(number, date(2028, 8, 1))) == [severity]


def test_errors_at_the_stores_are_judged_by_their_kind_and_time() -> None:
    def counted(kind: str, count: float) -> Sample:
        return sample(db_errors_total=[({"store": "postgresql", "kind": kind}, count)])

    def judged(kind: str, before: float, after: float) -> list[Severity]:
        return severities(errors.look(counted(kind, before), counted(kind, after)))

    assert judged("DEADLOCK_DETECTED", 1, 2) == [Severity.PROBLEM]
    assert judged("DEADLOCK_DETECTED", 2, 2) == [Severity.NOTICE]
    assert judged("POOL_EXHAUSTED", 0, 3) == [Severity.PROBLEM]
    assert judged("LOCK_TIMEOUT", 1, 2) == [Severity.NOTICE]
    assert judged("LOCK_TIMEOUT", 2, 2) == [Severity.OK]
    assert judged("SERIALIZATION_FAILURE", 1, 2) == [Severity.NOTICE]
    assert judged("WRITE_CONFLICT", 1, 1) == [Severity.OK]
    assert judged("SOMETHING_NEW", 0, 1) == [Severity.PROBLEM]
    # A kind that was not there before counts from nothing.
    [finding] = errors.look(sample(), counted("REPLICA_LAG", 1))
    assert finding.figures["now"] == 1


@pytest.mark.parametrize("kind", [*(each.value for each in Transient), "WRITE_CONFLICT", "WRITE_CONCERN", "UNFIT"])
def test_no_error_that_a_store_counts_is_taken_for_a_bug(kind: str) -> None:
    [finding] = errors.look(sample(), sample(db_errors_total=[({"store": "any", "kind": kind}, 1.0)]))
    assert "bug" not in finding.why


def test_answers_are_judged_by_how_many_of_them_are_bad() -> None:
    def counted(**codes: float) -> Sample:
        return sample(**{CALLS: [({CODE: code}, count) for code, count in codes.items()]})

    def judged(before: Sample, after: Sample) -> list[Severity]:
        return severities(answers.look(before, after, 1, LIMITS))

    assert judged(counted(OK=100), counted(OK=200)) == [Severity.OK]
    assert judged(counted(OK=100), counted(OK=150, RESOURCE_EXHAUSTED=50)) == [Severity.PROBLEM]
    assert judged(counted(OK=50, RESOURCE_EXHAUSTED=50), counted(OK=100, RESOURCE_EXHAUSTED=50)) == [Severity.NOTICE]
    assert judged(counted(OK=1000), counted(OK=9999, DEADLINE_EXCEEDED=1)) == [Severity.OK]
    assert judged(counted(OK=1000), counted(OK=9999, INTERNAL=1)) == [Severity.PROBLEM]


def test_a_pool_is_exhausted_only_when_it_stays_so() -> None:
    def counted(active: float, waiting: float) -> Sample:
        store = {"store": "postgresql"}
        return sample(
            db_connections_active=[(store, active)],
            db_connections_max=[(store, 5)],
            db_connections_waiting=[(store, waiting)],
        )

    def judged(*ends: tuple[float, float]) -> list[Severity]:
        before, after = (counted(*end) for end in ends)
        return severities(pools.look(before, after, 1))

    assert judged((5, 2), (5, 3)) == [Severity.PROBLEM]
    assert judged((5, 2), (3, 0)) == [Severity.NOTICE]
    assert judged((4, 0), (5, 0)) == [Severity.OK]
    # A store without a pool of a known size, such as Valkey.
    assert pools.look(sample(), sample(), 1) == []


def test_background_jobs_and_caches() -> None:
    def jobs(count: float) -> Sample:
        return sample(background_failures_total=[({"job": "health"}, count)])

    assert severities(upkeep.background(jobs(1), jobs(2))) == [Severity.PROBLEM]
    assert severities(upkeep.background(jobs(2), jobs(2))) == [Severity.NOTICE]
    assert severities(upkeep.background(jobs(0), jobs(0))) == [Severity.OK]

    def lookups(hits: float, misses: float) -> Sample:
        both = (("hit", hits), ("miss", misses))
        return sample(cache_lookups_total=[({"cache": "players", "result": each}, count) for each, count in both])

    assert severities(upkeep.cache(lookups(0, 0), lookups(100, 2000), LIMITS)) == [Severity.NOTICE]
    assert severities(upkeep.cache(lookups(100, 2000), lookups(9000, 2100), LIMITS)) == [Severity.OK]


def test_a_gateway_that_reaches_some_of_the_processes() -> None:
    def counted(healthy: float) -> Sample:
        cluster = {"envoy_cluster_name": "profile"}
        return sample(
            envoy_cluster_membership_healthy=[(cluster, healthy)], envoy_cluster_membership_total=[(cluster, 2)]
        )

    assert severities(gateway.clusters(counted(2), counted(2))) == [Severity.OK]
    [finding] = gateway.clusters(counted(2), counted(1))
    assert finding.severity is Severity.PROBLEM
    assert "1 of 2" in finding.what


def test_a_replica_that_lags_or_does_not_answer() -> None:
    def judged(lag_s: float) -> list[Severity]:
        lags: list[tuple[dict[str, str], float]] = [({"store": "postgresql_replica_1"}, lag_s)]
        return severities(replicas.look(sample(db_replica_lag_seconds=lags), LIMITS))

    assert judged(0.1) == [Severity.OK]
    assert judged(3) == [Severity.NOTICE]
    assert judged(60) == [Severity.PROBLEM]
    assert judged(math.nan) == [Severity.PROBLEM]


def test_of_several_databases_the_type_says_which_one_counts() -> None:
    both = {"DATABASE_URL": "postgresql://h/gamelog", "MONGODB_URL": "mongodb://h/gamelog"}
    assert [each.name for each in stores_of("gamelog", both | {"DATABASE_TYPE": "postgresql"}).databases] == ["gamelog"]
    mongo = stores_of("gamelog", both | {"DATABASE_TYPE": "mongodb"})
    assert (mongo.databases, [each.name for each in mongo.mongodbs]) == ((), ["gamelog"])
    boards = {"DATABASE_TYPE": "dynamodb", "DYNAMODB_TABLE": "t", "REDIS_URL": "redis://unused"}
    dynamo = stores_of("leaderboard", boards)
    assert (dynamo.valkeys, [each.table for each in dynamo.dynamo_tables]) == ((), ["t"])
