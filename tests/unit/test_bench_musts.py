"""What must hold of the suite's figures is checked where it was measured, and fails when it does not hold."""

from typing import Any

import pytest

from bench import musts
from bench.figures import GATEWAY, Beside, Row, Run
from bench.report import Check
from tests.support.bench_runs import row, run

BARE = {"calls_per_s": 1000.0, "p50_ms": 2.0, "p99_ms": 3.0, "store_cpu_us": 100.0}


def failing(made: Run) -> list[str]:
    return [check.what for check in musts.checks(made) if not check.holds]


def checked(made: Run) -> list[Check]:
    return musts.checks(made)


@pytest.mark.parametrize(
    ("good", "bad", "what"),
    [
        ({"share_of_empty": 0.40}, {"share_of_empty": 0.39}, "of the empty call's"),
        ({"p99_ms": 12.0}, {"p99_ms": 12.1}, "p99 over p50"),
        ({"errors": 0}, {"errors": 1}, "calls that failed"),
        ({"ratio_to_peer": 3.0}, {"ratio_to_peer": 2.9}, "times the peer"),
    ],
)
def test_a_bound_of_the_crowd(good: dict[str, Any], bad: dict[str, Any], what: str) -> None:
    assert failing(run([row(**good)])) == []
    (failed,) = failing(run([row(**bad)]))
    assert what in failed


@pytest.mark.parametrize(("p99_ms", "holds"), [(5.0, True), (5.1, False)])
def test_p99_is_at_most_half_of_the_peer_s(p99_ms: float, holds: bool) -> None:
    made = run([row(p99_ms=p99_ms, ratio_to_peer=3.5)], {0: Beside(1.0, 8.0, 4000.0, peer_p99_ms=10.0)})
    assert (failing(made) == []) is holds


@pytest.mark.parametrize(("through", "holds"), [(11_000.0, True), (10_999.0, False)])
def test_the_gateway_leaves_55_percent(through: float, holds: bool) -> None:
    made = run([row(calls_per_s=20_000.0), row(via=GATEWAY, calls_per_s=through)])
    assert (failing(made) == []) is holds


@pytest.mark.parametrize(("p50_ms", "holds"), [(3.9, True), (4.0, False)])
def test_a_lone_write_costs_little_more_than_its_statement_and_an_empty_call(p50_ms: float, holds: bool) -> None:
    made = run([row("AdjustCoins", callers=1, p50_ms=p50_ms)], {0: Beside(1.0, 8.0, bare=BARE)})
    assert (failing(made) == []) is holds


@pytest.mark.parametrize(
    ("operation", "enough", "too_few"),
    [
        ("BatchSubmitScores(1000)", row("BatchSubmitScores(1000)", items_per_s=150_000.0), {"items_per_s": 149_999.0}),
        ("BatchGetPlayers(50)", row("BatchGetPlayers(50)", items_per_s=60_000.0), {"items_per_s": 59_999.0}),
        ("RecordMatch(10)", row("RecordMatch(10)", calls_per_s=1_500.0), {"calls_per_s": 1_499.0}),
    ],
)
def test_batches_have_a_rate(operation: str, enough: Row, too_few: dict[str, Any]) -> None:
    assert failing(run([enough])) == []
    assert len(failing(run([row(operation, **too_few)]))) == 1


def test_what_was_not_measured_is_not_checked() -> None:
    alone = checked(run([row("GetEntry", callers=1)]))
    assert [check.what for check in alone] == ["calls that failed", "the generator's CPU a call, of the service's"]


@pytest.mark.parametrize(("generator_us", "holds"), [(39.0, True), (40.0, False)])
def test_the_generator_costs_less_than_the_service(generator_us: float, holds: bool) -> None:
    made = run([row(service_cpu_us=40.0)], {0: Beside(1.0, generator_us)})
    assert (failing(made) == []) is holds
