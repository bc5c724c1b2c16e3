"""What a username may be."""

import csv
import gzip
from pathlib import Path

import pytest

from services.profile.players import username
from shared.contract.errors import FieldInvalid

MATCHES = Path(__file__).parent.parent.parent / "examples" / "data" / "internationals.csv.gz"


def test_every_name_of_the_demo_is_a_username() -> None:
    with gzip.open(MATCHES, "rt", encoding="utf-8") as file:
        names = {cell for row in csv.reader(file) for cell in row if 0 < len(cell) <= username.LONGEST}
    assert len(names) > 10_000
    assert sum(not name.isascii() for name in names) > 100
    for name in names:
        assert username.checked(name, "username") == name


@pytest.mark.parametrize(
    "name",
    [
        "ada", "x" * 32, "'; DROP TABLE players; --", "Curaçao", "Côte d'Ivoire", "São Tomé and Príncipe", "日本代表",
        "Ελλάδα", "Россия", "שלום", "مرحبا ٣", "한국", "ไทย", "हिन्दी", "क्\u200dष", "نامه\u200c\u0627ی", "l·l",
        "コーヒー", "\U0001f3c6 winner \U0001f600", "~^`|",
    ],
)  # fmt: skip
def test_names_of_all_scripts_pass_unchanged(name: str) -> None:
    assert username.checked(name, "username") == name


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("a\u200db", "U+200D ZERO WIDTH JOINER"),
        ("\u202eada", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("a\u200eb", "U+200E LEFT-TO-RIGHT MARK"),
        ("\ufeffada", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a\u00adb", "U+00AD SOFT HYPHEN"),
        ("a\u2060b", "U+2060 WORD JOINER"),
        ("\U000e0041ada", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("a\u2028b", "U+2028 LINE SEPARATOR"),
        ("\ue000a", "U+E000"),
        ("a\u0378", "U+0378 (unassigned)"),
        ("\u115fa", "U+115F HANGUL CHOSEONG FILLER"),
        ("a\u3164b", "U+3164 HANGUL FILLER"),
        ("❤\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
    ],
)
def test_what_nobody_sees_is_refused_by_its_code_point(name: str, named: str) -> None:
    with pytest.raises(FieldInvalid) as raised:
        username.checked(name, "player.username")
    assert raised.value.field == "player.username"
    assert named in raised.value.description


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Cura\u0063\u0327ao", "Curaçao"),
        ("\u1100\u1161", "가"),
        ("\uff41\uff44\uff41", "ada"),
        ("ﬁn", "fin"),
        ("a\u00a0b", "a b"),
        ("a\u3000b", "a b"),
        ("a  b", "a b"),
        ("\u212bngström", "Ångström"),
    ],
)
def test_a_name_in_another_form_is_told_its_plain_one(name: str, plain: str) -> None:
    with pytest.raises(FieldInvalid) as raised:
        username.checked(name, "username")
    assert repr(plain) in raised.value.description
    assert username.checked(plain, "username") == plain


@pytest.mark.parametrize("bad", ["", "x" * 33, "a\0b", "a\nb", " a", "a ", "\u00a0a", "\x7f"])
def test_a_name_is_1_to_32_characters_without_control_characters_or_outer_space(bad: str) -> None:
    with pytest.raises(FieldInvalid):
        username.checked(bad, "username")
