"""Checks of request fields, JSON and page tokens."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import TypeAdapter

from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.paging import LARGEST_PAGE_BYTES, Pages, fitting

NUMBER = TypeAdapter(int)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "01a202ebffa273ffa7e2c2b37aa0c9ec",
        "{01a202eb-ffa2-73ff-a7e2-c2b37aa0c9ec}",
        "01a202eb-ffa2-73ff-a7e2-c2b37aa0c9eg",
    ],
)
def test_only_the_36_character_form_is_a_uuid(bad: str) -> None:
    with pytest.raises(FieldInvalid) as raised:
        fields.uuid(bad, "player_id")
    assert raised.value.field == "player_id"


def test_a_uuid_is_the_same_in_either_case() -> None:
    text = "01A202EB-FFA2-73FF-A7E2-C2B37AA0C9EC"
    assert fields.uuid(text, "id") == fields.uuid(text.lower(), "id")


@pytest.mark.parametrize("bad", ["", "x" * 33, "a\0b", "a\nb", " a", "a ", "\u00a0a", "\x7f"])
def test_a_name_is_1_to_32_characters_without_control_characters_or_outer_space(bad: str) -> None:
    with pytest.raises(FieldInvalid):
        fields.text(bad, "username", 32)


@pytest.mark.parametrize(
    "good", ["x", "x" * 32, "São Tomé & Príncipe", "Côte d'Ivoire", "'; DROP TABLE players; --", "日本"]
)
def test_any_other_text_is_a_name(good: str) -> None:
    assert fields.text(good, "username", 32) == good


def test_a_page_too_large_is_cut_and_a_negative_one_refused() -> None:
    assert [fields.page_size(size) for size in (0, 1, 1000, 1001, 10**9)] == [100, 1, 1000, 1000, 1000]
    with pytest.raises(FieldInvalid):
        fields.page_size(-1)


def test_times_before_1970_are_kept_and_nonsense_refused() -> None:
    assert fields.time(Timestamp(seconds=-3_063_571_200), "t") == datetime(1872, 12, 2, tzinfo=UTC)
    for bad in (Timestamp(seconds=10**15), Timestamp(seconds=-(10**15)), Timestamp(nanos=-1), Timestamp(nanos=10**9)):
        with pytest.raises(FieldInvalid):
            fields.time(bad, "t")


def test_json_goes_there_and_back_unchanged() -> None:
    struct = Struct()
    struct.update({"a": [1, 2.5, None, True, {"b": "é\U0001f3c6"}], "big": 2**53, "small": -1e-300, "": {}})
    assert json_struct.from_json(json_struct.to_json(struct, "metadata", 1000)) == struct


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), "a\0b"])
def test_what_json_or_the_store_cannot_hold_is_refused_by_its_path(bad: float | str) -> None:
    struct = Struct()
    struct.update({"a": {"b": [1, bad]}})
    with pytest.raises(FieldInvalid) as raised:
        json_struct.to_json(struct, "metadata", 1000)
    assert raised.value.field == "metadata.a.b[1]"


def test_json_is_measured_in_bytes() -> None:
    struct = Struct()
    struct.update({"a": "é" * 10})
    assert len(json_struct.to_json(struct, "metadata", 28)) == 18
    with pytest.raises(FieldInvalid):
        json_struct.to_json(struct, "metadata", 27)


def test_braces_in_texts_and_many_small_objects_are_no_depth() -> None:
    struct = Struct()
    struct.update({'a\\"{[': ["{" * 50, '"[' * 50, "\\"], "many": [{"b": []} for _ in range(100)]})
    assert json_struct.from_json(json_struct.to_json(struct, "metadata", 10_000)) == struct


@pytest.mark.parametrize("inner", ['{"b":"}]\\""}', "[]", '[{"x":[1,"é"]},2]'])
def test_what_lies_too_deep_to_be_read_is_answered_as_its_json(inner: str) -> None:
    text = '{"before":[1],"a":' + "[" * 29 + inner + "," + inner + "]" * 29 + ',"after":{}}'
    answered: Any = MessageToDict(json_struct.from_json(text))
    assert (answered["before"], answered["after"]) == ([1], {})
    deepest = answered["a"]
    for _ in range(28):
        deepest = deepest[0]
    assert deepest == [inner, inner]


def test_a_page_ends_with_what_makes_it_full_and_is_never_empty() -> None:
    huge, small = StringValue(value="x" * (LARGEST_PAGE_BYTES + 1)), StringValue(value="x")
    assert fitting([huge, small]) == [huge]
    assert fitting([small, huge, small]) == [small, huge]
    assert fitting([small, small]) == [small, small]


def test_a_page_token_opens_only_its_own_list() -> None:
    token = Pages("ListThings", "a").token(7, NUMBER)
    assert Pages("ListThings", "a").key(token, NUMBER) == 7
    assert Pages("ListThings", "a").key("", NUMBER) is None
    for pages, forged in (
        (Pages("ListThings", "b"), token),
        (Pages("ListThings", "a"), token[:-1]),
        (Pages("ListThings", "a"), "x"),
        (Pages("ListThings", "a"), "é"),
        (Pages("ListThings", "a"), "A" * 100_000),
    ):
        with pytest.raises(FieldInvalid):
            pages.key(forged, NUMBER)
