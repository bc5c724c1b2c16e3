"""The demo's own sums, without any server: what it reads, how it rates, and the ids it derives."""

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from examples.internationals import rating, results
from examples.internationals.league import League
from examples.internationals.season import game_mode
from examples.internationals.settings import parse

HEADER = ",".join(results.COLUMNS)
FIRST = "1872-11-30,Scotland,England,0,0,Friendly,Glasgow,Scotland,FALSE"
SECOND = "1873-03-08,England,Scotland,4,2,Friendly,London,England,FALSE"
THIRD = "1874-03-07,Scotland,England,2,1,Friendly,Glasgow,Scotland,TRUE"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "matches.csv"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def refusal(path: Path, limit: int | None = None) -> str:
    with pytest.raises(results.ResultsError) as error:
        results.read(path, limit)
    return str(error.value)


class TestRating:
    @pytest.mark.parametrize(
        ("home", "away", "goals", "change"),
        [
            # Equals expect half a point: a draw changes nothing, a win gains 32 * 0.5.
            (1000, 1000, (0, 0), 0),
            (1000, 1000, (3, 0), 16),
            (1000, 1000, (0, 1), -16),
            # 400 points more expect 10 of 11 points: 32 / 11 = 2.9, 32 * 10 / 11 = 29.1, 32 * 9 / 22 = 13.1.
            (1400, 1000, (1, 0), 3),
            (1400, 1000, (0, 1), -29),
            (1400, 1000, (2, 2), -13),
            (1000, 1400, (1, 0), 29),
        ],
    )
    def test_what_a_match_moves(self, home: int, away: int, goals: tuple[int, int], change: int) -> None:
        assert rating.change(home, away, *goals) == change

    def test_three_matches_by_hand(self, file: Path) -> None:
        matches, table = rating.rate(results.read(write(file, HEADER, FIRST, SECOND, THIRD)))
        # A draw of equals; England beats its equal; then 984 beats 1016: E = 0.454, 32 * 0.546 = 17.5, rounded to 17.
        assert [(match.home.change, match.away.change) for match in matches] == [(0, 0), (16, -16), (17, -17)]
        assert [(match.home.rating, match.away.rating) for match in matches] == [(1000, 1000), (1016, 984), (1001, 999)]
        # 10 for the draw, 5 and 2 goals for the defeat, 30 and 2 goals for the win.
        assert table["Scotland"] == rating.Standing(rating=1001, xp=49, matches=3, goals=4)
        assert table["England"] == rating.Standing(rating=999, xp=10 + 34 + 6, matches=3, goals=5)

    def test_the_real_file(self) -> None:
        played = results.read(parse([], {}).file)
        _, table = rating.rate(played)
        best = sorted(table, key=lambda team: -table[team].rating)[:10]
        assert (len(played), len(table)) == (49_520, 337)
        assert {team: table[team].rating for team in best} == {
            "Spain": 1611,
            "Argentina": 1583,
            "France": 1511,
            "England": 1494,
            "Portugal": 1460,
            "Brazil": 1458,
            "Colombia": 1452,
            "Germany": 1439,
            "Netherlands": 1437,
            "Morocco": 1428,
        }
        assert sum(standing.change for standing in table.values()) == 0


class TestReading:
    def test_plain_or_gzipped(self, file: Path) -> None:
        plain = results.read(write(file, HEADER, FIRST, SECOND))
        packed = file.with_suffix(".gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        assert results.read(packed) == plain
        assert plain[0] == results.Result(
            1, date(1872, 11, 30), "Scotland", "England", 0, 0, "Friendly", "Glasgow", "Scotland", False
        )

    def test_a_limit_leaves_the_rest_unread(self, file: Path) -> None:
        assert len(results.read(write(file, HEADER, FIRST, SECOND, "nonsense"), 2)) == 2

    def test_columns_in_another_order_and_more_of_them(self, file: Path) -> None:
        header, row = ",".join(["city_size", *results.COLUMNS[::-1]]), ",".join(["large", *FIRST.split(",")[::-1]])
        assert results.read(write(file, header, row))[0].home == "Scotland"

    def test_no_file(self, file: Path) -> None:
        assert (
            refusal(file)
            == f"cannot read {file}: No such file or directory; DEMO_FILE= names a CSV file, plain or gzipped"
        )

    def test_half_a_file(self, file: Path) -> None:
        file.write_bytes(gzip.compress(f"{HEADER}\n{FIRST}\n".encode())[:-12])
        assert refusal(file).startswith(f"cannot read {file}: ")

    def test_not_text(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe\x00\x01")
        assert refusal(file).startswith(f"cannot read {file}: ")

    def test_nothing_below_the_header(self, file: Path) -> None:
        assert "has no matches" in refusal(write(file, HEADER))

    def test_a_missing_column(self, file: Path) -> None:
        assert "lacks the column neutral" in refusal(write(file, HEADER.removesuffix(",neutral"), FIRST))

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ("1873-02-30,England,Wales,4,2,Friendly,London,England,FALSE", "date must be a day"),
            ("1873-03-08,,Wales,4,2,Friendly,London,England,FALSE", "home_team must not be empty"),
            ("1873-03-08,England,Wales,NA,2,Friendly,London,England,FALSE", "home_score must be a whole number"),
            ("1873-03-08,England,Wales,4,-2,Friendly,London,England,FALSE", "away_score must be a whole number"),
            ("1873-03-08,England,Wales,4,2,Friendly,London,England,no", "neutral must be TRUE or FALSE"),
            ("1873-03-08,England,England,4,2,Friendly,London,England,FALSE", "must differ"),
            ("1873-03-08,England,Wales,4,2,Friendly", "city must not be empty"),
        ],
    )
    def test_a_bad_row_names_its_line(self, file: Path, row: str, why: str) -> None:
        message = refusal(write(file, HEADER, FIRST, row))
        assert message.startswith(f"{file}, line 3: ")
        assert why in message


class TestLeague:
    @pytest.fixture
    def played(self, file: Path) -> list[results.Result]:
        return results.read(write(file, HEADER, FIRST, SECOND, SECOND))

    def test_the_same_rows_ask_for_the_same(self, played: list[results.Result]) -> None:
        one, two = League(played), League(list(played))
        assert one.leaderboard_id == two.leaderboard_id
        assert one.player_id("England") == two.player_id("England")
        assert one.match_id(2) == two.match_id(2)
        assert one.request_id("RecordMatch", 2) == two.request_id("RecordMatch", 2)

    def test_ids_of_one_league_differ(self, played: list[results.Result]) -> None:
        league = League(played)
        ids = [league.player_id("England"), league.player_id("Scotland")]
        ids += [league.match_id(number) for number in (1, 2, 3)]
        ids += [
            league.request_id(call, number) for call in ("RecordMatch", "BatchApplyProgress") for number in (1, 2, 3)
        ]
        assert len({UUID(value) for value in ids}) == len(ids)

    @pytest.mark.parametrize("other", ["fewer rows", "another score", "another name"])
    def test_other_leagues_share_nothing(self, played: list[results.Result], other: str) -> None:
        changed = {
            "fewer rows": League(played[:2]),
            "another score": League([*played[:2], replace(played[2], home_goals=5)]),
            "another name": League(played, "another"),
        }[other]
        league = League(played)
        assert changed.leaderboard_id != league.leaderboard_id
        assert changed.player_id("England") != league.player_id("England")
        assert changed.match_id(1) != league.match_id(1)
        assert changed.request_id("RecordMatch", 1) != league.request_id("RecordMatch", 1)

    def test_a_long_tournament_is_cut_and_shows_it(self) -> None:
        assert game_mode("FIFA World Cup qualification") == "FIFA World Cup qualification"
        cut = game_mode("CONCACAF Nations League qualification")
        assert cut == "CONCACAF Nations League qualifi…"
        assert len(cut) == 32


class TestSettings:
    def test_variables_and_arguments(self) -> None:
        how = parse(["--limit", "7", "--json"], {"DEMO_LIMIT": "5", "DEMO_FILE": "x.csv", "SAVEPOINT_PORT": ""})
        assert (how.limit, how.file, how.json, how.address) == (7, Path("x.csv"), True, "127.0.0.1:8080")

    @pytest.mark.parametrize("variable", ["DEMO_LIMIT", "DEMO_IN_FLIGHT", "SAVEPOINT_PORT"])
    @pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
    def test_a_bad_number_is_named(self, variable: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parse([], {variable: value})
        assert ended.value.code == 2
        assert f"and is {value!r}" in capsys.readouterr().err
