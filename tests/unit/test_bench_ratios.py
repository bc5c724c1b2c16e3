"""bench-check: ratios are kept, compared, and a worse one fails."""

from pathlib import Path

import pytest

from bench import check, ratios
from bench.figures import GATEWAY
from bench.ratios import Compared, Ratios
from tests.support.bench_runs import row, run

BOTH = run([row(share_of_empty=0.5, calls_per_s=20_000.0), row(via=GATEWAY, share_of_empty=0.3, calls_per_s=12_000.0)])


def test_a_run_s_ratios_are_of_64_callers_and_of_both_ways() -> None:
    crowd = run([*BOTH.rows, row("GetEntry", callers=1), row("ListTop(100)", share_of_empty=0.2)])
    assert ratios.of_run(crowd) == {
        "SubmitScore": Ratios(0.5, 0.3, 0.6),
        "ListTop(100)": Ratios(0.2, None, None),
    }


def test_kept_ratios_come_back_and_those_that_were_not_measured_stay(tmp_path: Path) -> None:
    file = tmp_path / "ratios.json"
    ratios.keep(run([row("GetEntry", share_of_empty=0.4)]), file)
    ratios.keep(BOTH, file)
    assert ratios.load(file) == {"GetEntry": Ratios(0.4), "SubmitScore": Ratios(0.5, 0.3, 0.6)}


@pytest.mark.parametrize(("now", "fails"), [(0.50, False), (0.43, False), (0.42, True), (0.9, False)])
def test_worse_by_more_than_15_percent_fails(now: float, fails: bool) -> None:
    (pair,) = ratios.compared({"SubmitScore": Ratios(0.5)}, {"SubmitScore": Ratios(now, 0.2, 0.4)})
    assert (pair.kept, pair.now, pair.fails) == (0.5, now, fails)
    assert check.report([pair], show_all=False, run="a run").holds is not fails


def test_a_ratio_that_is_gone_to_nothing_fails() -> None:
    (pair,) = ratios.compared({"SubmitScore": Ratios(0.5)}, {"SubmitScore": Ratios(0.0)})
    assert pair.fails


def test_what_fails_once_may_hold_at_a_second_look() -> None:
    first = [Compared("SubmitScore", "a share", 0.5, 0.2), Compared("GetEntry", "a share", 0.5, 0.5)]
    assert [pair.now for pair in check.better(first, [Compared("SubmitScore", "a share", 0.5, 0.48)])] == [0.48, 0.5]
    assert [pair.now for pair in check.better(first, [Compared("SubmitScore", "a share", 0.5, 0.1)])] == [0.2, 0.5]


def test_nothing_compared_is_no_success() -> None:
    assert not check.report([], show_all=False, run="a run").holds


def test_only_what_is_worse_is_shown_unless_all_is_wanted() -> None:
    pairs = [Compared("SubmitScore", "a share", 0.5, 0.6), Compared("GetEntry", "a share", 0.5, 0.2)]
    (shown,) = check.report(pairs, show_all=False, run="a run").tables
    (everything,) = check.report(pairs, show_all=True, run="a run").tables
    assert (shown.row_count, everything.row_count) == (1, 2)
