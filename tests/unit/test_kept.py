"""Records of older versions become today's answers."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.contract.errors import StoreUnavailable
from shared.stores.requests.kept import KeptAnswer, each


@dataclass(frozen=True)
class Hero:
    """What stands for a Player: version 1 had a name, version 2 a level too, version 3 calls the name a title."""

    title: str
    level: int


def with_level(hero: dict[str, Any]) -> dict[str, Any]:
    return {**hero, "level": 1}


def with_title(hero: dict[str, Any]) -> dict[str, Any]:
    return {"title": hero["name"], "level": hero["level"]}


KEPT = KeptAnswer(TypeAdapter(Hero), with_level, with_title)
KEPT_LIST = KeptAnswer(TypeAdapter(list[Hero]), each(with_level), each(with_title))
RECORDS: dict[int, dict[str, Any]] = {
    1: {"name": "ada"},
    2: {"name": "ada", "level": 1},
    3: {"title": "ada", "level": 1},
}


@pytest.mark.parametrize("version", RECORDS)
def test_a_record_of_any_version_is_read(version: int) -> None:
    record = RECORDS[version]
    assert KEPT.read(json.dumps(record), version) == Hero("ada", 1)
    assert KEPT_LIST.read(json.dumps([record, record]), version) == [Hero("ada", 1)] * 2


def test_what_is_written_is_of_the_newest_version() -> None:
    assert KEPT.params() == {"answer_version": 3}
    assert KEPT.read(json.dumps(RECORDS[3])) == Hero("ada", 1)


def test_a_record_of_a_newer_release_is_read_where_that_added_a_field_only() -> None:
    newer = {**RECORDS[3], "guild": "north"}
    assert KEPT.read(json.dumps(newer), 4) == Hero("ada", 1)
    with pytest.raises(StoreUnavailable):
        KEPT.read(json.dumps({"guild": "north"}), 4)
