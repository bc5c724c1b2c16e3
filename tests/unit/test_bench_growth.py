"""`sizes` and `memory`: what grows fails."""

from collections import defaultdict

import pytest

from bench import memory, sizes
from bench.generator.result import Measured, Result, Times
from bench.processes import Memory


def result(p50_ms: float, failed: int = 0) -> Result:
    ended = {"GetEntry": {"": 10, "UNAVAILABLE": failed}} if failed else {"GetEntry": {"": 10}}
    measured = Measured(Times(10, p50_ms, p50_ms, p50_ms, p50_ms), {}, {})
    return Result(1.0, 0.1, {}, 0.0, 0.25, [10], {"GetEntry": measured}, ended, "a" * 24)


@pytest.mark.parametrize(
    ("large", "holds"),
    [
        ([result(0.5), result(0.5), result(9.0)], True),
        ([result(0.51), result(0.51), result(0.1)], False),
        ([result(0.4), result(0.4, failed=1), result(0.4)], False),
    ],
)
def test_a_median_of_a_quarter_more_is_too_much(large: list[Result], holds: bool) -> None:
    rounds = defaultdict(list, {("GetEntry", "10"): [result(0.4)] * 3, ("GetEntry", "1,000"): large})
    assert sizes.report(rounds, "10", "1,000", {"10": 300.0}).holds is holds


@pytest.mark.parametrize(
    ("rss_mb", "failed", "holds"),
    [
        ([90, 100, 100, 105], 0, True),
        ([90, 100, 100, 106], 0, False),  # it grows
        ([90, 150, 100, 100], 0, False),  # it was too large once
        ([90, 100, 100, 100], 1, False),
    ],
)
def test_memory_is_small_and_flat(rss_mb: list[int], failed: int, holds: bool) -> None:
    samples = [(calls, Memory(mb * 1_000_000, 0)) for calls, mb in zip((10, 40, 70, 100), rss_mb, strict=True)]
    assert memory.report("profile", samples, failed, 1.0).holds is holds
