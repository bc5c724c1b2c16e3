"""What `make bench` is told: names and numbers, and a line that lists the names when one is wrong."""

import sys

import pytest

from bench import __main__, catalogue
from bench.catalogue import UnknownNameError

ISSUED = [
    "GetPlayer",
    "GetPlayer uncached",
    "BatchGetPlayers(50)",
    "UpdatePlayer",
    "AdjustCoins",
    "TransferCoins",
    "GrantItem",
    "ConsumeItem",
    "ListItems(20)",
    "RecordMatch(10)",
    "BatchApplyProgress(10)",
    "SubmitScore",
    "SubmitScore with request_id",
    "BatchSubmitScores(1000)",
    "GetEntry",
    "ListTop(100)",
    "ListAround(5)",
]


def test_every_operation_has_its_name() -> None:
    assert list(catalogue.NAMES) == ISSUED
    assert [case.name for case in catalogue.chosen([])] == ISSUED


def test_some_are_chosen_in_the_suite_s_order() -> None:
    named = catalogue.names("SubmitScore, GetPlayer,RecordMatch")
    assert [case.name for case in catalogue.chosen(named)] == ["GetPlayer", "RecordMatch(10)", "SubmitScore"]


def test_numbers_of_callers() -> None:
    assert catalogue.numbers("1,16, 64") == [1, 16, 64]
    for wrong in ("", "x", "0", "1;2", "-1"):
        with pytest.raises(UnknownNameError):
            catalogue.numbers(wrong)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["suite", "--ops", "SubmitScores"], "SubmitScore, SubmitScore with request_id"),
        (["suite", "--via", "envoy"], "service, gateway"),
        (["suite", "--callers", "many"], "1,16,64"),
        (["check", "--ops", "SubmitScores"], "SubmitScore, SubmitScore with request_id"),
        (["profile", "--op", "Submit"], "SubmitScore, SubmitScore with request_id"),
        (["profile", "--service", "ranks"], "profile, inventory, leaderboard"),
        (["memory", "--service", "ranks"], "profile, inventory, leaderboard"),
        (["sizes", "--ops", "GetPlayers"], "GetPlayer, GetPlayer uncached"),
        (["report", "--from", "nowhere"], "make bench"),
    ],
)
def test_a_wrong_name_is_one_line_that_lists_the_right_ones(
    options: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *options])
    assert __main__.main() == 2
    said = capsys.readouterr().err.strip()
    assert named in said
    assert "\n" not in said
