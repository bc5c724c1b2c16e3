"""Every statement of the dialect for CockroachDB stays inside what its documentation allows.

There is no CockroachDB where this is built. So what its documentation allows, as far as we use it, is a written list
with the page of each thing (tests/conformance/sql/cockroachdb.json), and what is not in the list may not be used."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlglot import exp

from services.inventory.items import sql_store as items
from services.inventory.known_players import known_players
from services.inventory.matches import sql_store as matches
from services.profile.players import sql_store as players
from services.profile.wallets import sql_store as wallets
from shared.stores.postgres.dialect import COCKROACHDB, POSTGRESQL, Dialect, dialect_of
from shared.stores.postgres.migrations import by_version
from shared.stores.requests import records
from tests.support.parsed_sql import MUTATIONS, PAST, parsed, used

ROOT = Path(__file__).parents[2]
ALLOWED: dict[str, dict[str, str]] = json.loads(
    (ROOT / "tests" / "conformance" / "sql" / "cockroachdb.json").read_text(encoding="utf-8")
)
KINDS = ("statements", "functions", "types", "clauses", "expressions")
STORES = (players, wallets, items, matches, known_players, records)
FOLLOWERS = dialect_of("cockroachdb", follower_reads=True)

# What reads histories, and nothing else: never a balance, nor what decides a write.
HISTORIES = {
    "get_past_matches",
    "list_matches",
    "list_matches_of_game_mode",
    "list_matches_of_player",
    "list_matches_of_player_and_game_mode",
}


def _queries() -> Iterator[tuple[str, str]]:
    for store in STORES:
        for name, query in store.QUERIES.of(FOLLOWERS).items():
            yield name, query.sql
            if query.shared:
                yield f"{name}, patient", query.patient().sql


def _migrations() -> Iterator[tuple[str, str]]:
    for service in ("profile", "inventory"):
        for file in by_version(ROOT / "services" / service, COCKROACHDB).values():
            lines = file.read_text(encoding="utf-8").splitlines()
            sql = "\n".join(line.partition("--")[0] for line in lines)
            for number, statement in enumerate(filter(str.strip, sql.split(";"))):
                yield f"{service}/{file.name}, {number}", statement


STATEMENTS = [*_queries(), *_migrations()]
by_statement = pytest.mark.parametrize("sql", [sql for _, sql in STATEMENTS], ids=[name for name, _ in STATEMENTS])


@by_statement
def test_what_is_used_is_documented(sql: str) -> None:
    undocumented = {kind: sorted(names - ALLOWED[kind].keys()) for kind, names in asdict(used(sql)).items()}
    assert undocumented == {kind: [] for kind in KINDS}


def test_what_is_listed_is_used() -> None:
    everything = [asdict(used(sql)) for _, sql in STATEMENTS]
    unused = {kind: sorted(ALLOWED[kind].keys() - set().union(*(each[kind] for each in everything))) for kind in KINDS}
    assert unused == {kind: [] for kind in KINDS}


@by_statement
def test_a_statement_changes_a_table_only_once(sql: str) -> None:
    """Known limitations: statements with several modifications of one table are refused."""
    changed = [node.find(exp.Table).name for kind in MUTATIONS for node in parsed(sql).find_all(kind)]
    assert len(changed) == len(set(changed))


@by_statement
def test_a_change_stands_at_the_top_level(sql: str) -> None:
    """Common Table Expressions: no WITH that has a data-modifying statement inside another."""
    tree = parsed(sql)
    top = [tree, *(cte.this for cte in getattr(tree, "ctes", ()))]
    inside = [node for kind in MUTATIONS for node in tree.find_all(kind) if all(node is not each for each in top)]
    assert inside == []


def test_follower_reads_are_for_histories_alone_and_only_where_they_are_asked_for() -> None:
    def past(dialect: Dialect) -> set[str]:
        every = [query for store in STORES for query in store.QUERIES.of(dialect).values()]
        return {query.name for query in every if "SYSTEM TIME" in query.sql}

    assert past(FOLLOWERS) == HISTORIES
    assert past(COCKROACHDB) == past(POSTGRESQL) == set()


@pytest.mark.parametrize("name", sorted(HISTORIES))
def test_the_time_stands_at_the_end_of_the_from_clause(name: str) -> None:
    """AS OF SYSTEM TIME: behind FROM, before what follows it; without a placeholder or a lock."""
    before, after = matches.QUERIES.of(FOLLOWERS)[name].sql.split(PAST)
    assert re.search(r"(?:FROM \w+|USING \(match_id\))\s*$", before), before
    assert re.match(r"\s*(?:WHERE|ORDER BY)\b", after), after
    assert "FOR UPDATE" not in before + after


def test_postgresql_has_no_follower_reads() -> None:
    with pytest.raises(ValueError, match="FOLLOWER_READS"):
        dialect_of("postgresql", follower_reads=True)


def test_both_dialects_have_the_same_queries() -> None:
    ours = {name for store in STORES for name in store.QUERIES.of(POSTGRESQL)}
    theirs = {name for store in STORES for name in store.QUERIES.of(COCKROACHDB)}
    partitions = {"make_request_partitions", "drop_request_partition", "forget_default_answers"}
    assert (ours - theirs, theirs - ours) == (partitions, {"remove_used_up"})
