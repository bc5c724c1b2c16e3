"""Pages are complete only if a list is sorted by all that its page's start is compared by. An index often sorts rows
anyway, so that no run of a query that forgets it need fail."""

import re

import pytest

from services.inventory.items import store as items
from services.inventory.matches import store as matches
from services.profile.players import store as players

LISTS = {
    name: query.sql
    for queries in (items.QUERIES, matches.QUERIES, players.QUERIES)
    for name, query in queries.items()
    if name.startswith("list_")
}
DIRECTIONS = {"<": " DESC", ">": ""}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_sorted_by_what_its_start_is_compared_by(name: str) -> None:
    [(columns, comparison)] = re.findall(r"AND \(?([\w, ]+)\)? ([<>]=?) \(?%\(after", LISTS[name]) or re.findall(
        r"WHERE \(([\w, ]+)\) ([<>]=?) \(%\(after", LISTS[name]
    )
    expected = ", ".join(column + DIRECTIONS[comparison] for column in columns.split(", "))
    assert f"\nORDER BY {expected}\nLIMIT %(limit)s" in LISTS[name]


def test_every_list_is_looked_at() -> None:
    assert len(LISTS) == 9
