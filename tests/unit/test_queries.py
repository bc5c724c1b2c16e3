"""Rules of the queries that running them need not show: an index often hands out rows in the order that a query forgets
to ask for."""

import re

import pytest

from services.inventory.items import sql_store as items
from services.inventory.matches import sql_store as matches
from services.profile.players import sql_store as players
from services.profile.wallets import sql_store as wallets
from shared.stores.postgres.dialect import POSTGRESQL

QUERIES = {
    name: query.sql
    for store in (items, matches, players, wallets)
    for name, query in store.QUERIES.of(POSTGRESQL).items()
}
LISTS = [name for name in QUERIES if name.startswith("list_")]
DIRECTIONS = {"<": " DESC", ">": ""}

# Where a page starts: the columns, the comparison.
START = re.compile(r"(?:WHERE|AND) \(?(\w+(?:, \w+)*)\)? ([<>]=?) \(?%\(after")
# A CTE that locks rows of several keys.
LOCK = re.compile(r"AS \(\n(\s+SELECT (?:(?!\n\)).)*?(?:= ANY\(| IN \()(?:(?!\n\)).)*?FOR (?:NO KEY )?UPDATE)", re.S)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_sorted_by_what_its_start_is_compared_by(name: str) -> None:
    [(columns, comparison)] = START.findall(QUERIES[name])
    expected = ", ".join(column + DIRECTIONS[comparison] for column in columns.split(", "))
    assert f"\nORDER BY {expected}\nLIMIT %(limit)s" in QUERIES[name]


def test_several_rows_are_locked_in_the_order_of_their_keys() -> None:
    locks = {name: LOCK.findall(sql) for name, sql in QUERIES.items() if LOCK.search(sql)}
    assert set(locks) == {"adjust_coins", "batch_apply_progress", "transfer_coins", "update_player"}
    assert [name for name, found in locks.items() if any("ORDER BY player_id\n" not in lock for lock in found)] == []


def test_a_statement_that_several_share_leaves_out_what_is_locked() -> None:
    shared = {name: sql for name, sql in QUERIES.items() if "'lock_timeout'" in sql}
    assert len(shared) == 9
    waiting = re.compile(r"FOR (?:NO KEY )?UPDATE(?: OF \w+)?(?! OF| SKIP LOCKED)\b")
    assert [name for name, sql in shared.items() if waiting.search(sql)] == []


def test_request_ids_are_recorded_in_their_order() -> None:
    recording = {name: sql for name, sql in QUERIES.items() if "'lock_timeout'" in sql and "INTO requests" in sql}
    assert len(recording) == 7
    assert [name for name, sql in recording.items() if "    ORDER BY request_id\n" not in sql] == []


def test_every_list_is_looked_at() -> None:
    assert len(LISTS) == 9
