"""Checks of request fields, JSON and page tokens."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import TypeAdapter

from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.paging import LARGEST_PAGE_BYTES, Pages, fitting
from shared.contract.times import timestamp
from shared.contract.wire import submessage

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


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": {}, "b": [], "c": [[], {}], "": ""},
        {"é\U0001f3c6": ["x" * 127, "x" * 128, "x" * 20_000, {"x" * 200: ["y" * 20_000]}]},
        {"a": [True, False, None, 0, -0.0, 1, -1, 2**53, 0.1, 1e-300, -1.5, int(1e308), 5e-324]},
    ],
)
def test_json_becomes_the_struct_that_protobuf_makes_of_it(values: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(values)
    made = json_struct.from_json(json.dumps(values, ensure_ascii=False))
    assert made.SerializeToString(deterministic=True) == struct.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    "time",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 27, 12, 30, 15, 123_456, tzinfo=UTC),
        datetime(2026, 11, 27, 12, 30, 15, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_time_becomes_the_timestamp_that_protobuf_makes_of_it(time: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(time)
    assert timestamp(time) == expected


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_message_put_together_from_bytes_is_the_message(size: int) -> None:
    inner = StringValue(value="x" * size)
    made = ListValue.FromString(submessage(1, Value(string_value=inner.value).SerializeToString()) * 2)
    assert [value.string_value for value in made.values] == [inner.value] * 2


def test_a_uuid_as_text_is_the_uuid_s_own() -> None:
    for value in ("0190163D-8694-739B-AEA5-966C26F8AD91", str(uuid4())):
        assert fields.uuid_text(value, "id") == str(fields.uuid(value, "id")) == str(UUID(value))
    for bad in ("", "0190163d8694739baea5966c26f8ad91", "{0190163d-8694-739b-aea5-966c26f8ad9}", str(uuid4()) + "\n"):
        with pytest.raises(FieldInvalid, match="must be a UUID"):
            fields.uuid_text(bad, "id")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), "a\0b"])
def test_what_json_or_the_store_cannot_hold_is_refused_by_its_path(bad: float | str) -> None:
    struct = Struct()
    struct.update({"a": {"b": [1, bad]}})
    with pytest.raises(FieldInvalid) as raised:
        json_struct.to_json(struct, "metadata", 1000)
    assert raised.value.field == "metadata.a.b[1]"


@pytest.mark.parametrize("number", [1e300, -1.5e-300, 2.0**70, 1e-5])
def test_json_is_measured_with_all_digits_of_its_numbers(number: float) -> None:
    struct = Struct()
    struct.update({"a": [number] * 10, "b": {"c": "1e+300"}})
    # As PostgreSQL's jsonb keeps and answers them.
    digits = f"{Decimal(repr(number)):f}"
    size = len(f'{{"a":[{",".join([digits] * 10)}],"b":{{"c":"1e+300"}}}}')
    assert json_struct.from_json(json_struct.to_json(struct, "metadata", size)) == struct
    with pytest.raises(FieldInvalid, match=f"as JSON.*, and has {size}"):
        json_struct.to_json(struct, "metadata", size - 1)


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
    assert fitting([b"x", b"x" * LARGEST_PAGE_BYTES, b"x"]) == [b"x", b"x" * LARGEST_PAGE_BYTES]


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
