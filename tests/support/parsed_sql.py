"""What a SQL statement is made of: statements, functions, types, clauses, and other expressions, by name. It is read as
PostgreSQL's, by sqlglot."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlglot
from sqlglot import exp

# A clause of CockroachDB's alone, which the parser does not know.
PAST = "AS OF SYSTEM TIME follower_read_timestamp()"

MUTATIONS = (exp.Insert, exp.Update, exp.Delete)

# After these words, a name before a parenthesis has a list of columns, and is no function.
_NAMED = {"INTO", "TABLE", "ON", "ALIAS"}
_KEYWORDS = set(
    "AND ANY AS CHECK CONFLICT DEFAULT EXISTS FILTER FROM IN KEY LATERAL MATERIALIZED OR SELECT USING WHERE".split()  # noqa: SIM905 # reads better
)
_STATEMENTS = {"Select", "Insert", "Update", "Delete", "Create", "Drop", "Merge", "Command"}
# What is told by the presence of a node.
_CLAUSES = {
    exp.With: "WITH",
    exp.Limit: "LIMIT",
    exp.Group: "GROUP BY",
    exp.Having: "HAVING",
    exp.Filter: "FILTER",
    exp.Returning: "RETURNING",
    exp.Lateral: "LATERAL",
    exp.CheckColumnConstraint: "CHECK",
    exp.DefaultColumnConstraint: "DEFAULT",
    exp.PrimaryKey: "PRIMARY KEY",
    exp.PrimaryKeyColumnConstraint: "PRIMARY KEY",
    exp.UniqueColumnConstraint: "UNIQUE",
    exp.Constraint: "CONSTRAINT",
}
# Nodes that are looked at as a clause, a type or a function, and parts of these, of names and of constants.
_PARTS: tuple[Any, ...] = (
    *_CLAUSES,
    *(exp.Order, exp.Ordered, exp.Join, exp.Lock, exp.OnConflict, exp.Union, exp.CTE, exp.From, exp.Where),
    *(exp.ColumnConstraint, exp.ColumnConstraintKind, exp.ColumnDef, exp.Index, exp.IndexParameters, exp.Schema),
    *(exp.Table, exp.TableAlias, exp.Column, exp.Identifier, exp.Star, exp.Subquery, exp.Unnest, exp.Paren, exp.Lambda),
    *(exp.Literal, exp.Placeholder, exp.Var, exp.DataType, exp.IntervalSpan),
    *(exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot),
    # The branch of a CASE; the function div().
    *(exp.If, exp.IntDiv),
)
# These are functions for the parser.
_OPERATORS: tuple[Any, ...] = (
    *(exp.And, exp.Any, exp.Array, exp.Case, exp.Cast, exp.Exists, exp.JSONExtract, exp.JSONExtractScalar, exp.Or),
)


@dataclass(frozen=True)
class Used:
    """The names of what is used, of each kind."""

    statements: frozenset[str]
    functions: frozenset[str]
    types: frozenset[str]
    clauses: frozenset[str]
    expressions: frozenset[str]


@cache
def parsed(sql: str) -> Any:
    """The tree of one statement, whose parameters are psycopg's. Raises ValueError for one that is not understood, and
    for more than one."""
    [tree] = sqlglot.parse(_bare(sql), dialect="postgres")
    if tree is None or tree.find(exp.Command):
        raise ValueError(f"not understood: {sql}")
    return tree


@cache
def used(sql: str) -> Used:
    """What one statement uses."""
    tree = parsed(sql)
    names = {type(node).__name__ for node in tree.walk()}
    others = {
        type(node).__name__
        for node in tree.walk()
        if isinstance(node, _OPERATORS) or not isinstance(node, (*_PARTS, exp.Func))
    }
    types = {node.sql("postgres") for node in tree.find_all(exp.DataType)}
    clauses = set(_clauses(tree)) | ({"AS OF SYSTEM TIME"} if PAST in sql else set())
    # The tree does not keep it where the function has a list of columns.
    clauses |= {"WITH ORDINALITY"} if "WITH ORDINALITY" in sql else set()
    kinds = (names & _STATEMENTS, _functions(sql), types, clauses, others - _STATEMENTS)
    return Used(*map(frozenset, kinds))


def _bare(sql: str) -> str:
    return sql.replace(PAST, "").replace("%%", "%").rstrip(";\n ")


def _functions(sql: str) -> set[str]:
    """By the text, since the parser gives some of them another name."""
    tokens = sqlglot.tokenize(_bare(sql), read="postgres")
    found = {
        name.text.lower()
        for before, name, after in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if after.text == "("
        and name.text.isidentifier()
        and name.text not in _KEYWORDS
        and before.token_type.name not in _NAMED
    }
    return found | {"follower_read_timestamp"} if PAST in sql else found


def _clauses(tree: Any) -> Iterator[str]:
    for kind, clause in _CLAUSES.items():
        if tree.find(kind):
            yield clause
    if any(cte.args.get("materialized") for cte in tree.find_all(exp.CTE)):
        yield "MATERIALIZED"
    for order in tree.find_all(exp.Order):
        yield "ORDER BY" if isinstance(order.parent, exp.Query) else "ORDER BY in an aggregate"
    for join in tree.find_all(exp.Join):
        yield " ".join([*filter(None, [join.side, join.kind]), "JOIN"])
        if join.args.get("using"):
            yield "USING in a join"
    for lock in tree.find_all(exp.Lock):
        strength, _, policy = lock.sql("postgres").partition(" SKIP LOCKED")
        yield strength.partition(" OF ")[0] + (" OF" if " OF " in strength else "")
        if "SKIP LOCKED" in lock.sql("postgres"):
            yield f"SKIP LOCKED{policy}"
    for conflict in tree.find_all(exp.OnConflict):
        yield f"ON CONFLICT {conflict.args['action'].name}"
    for union in tree.find_all(exp.Union):
        yield "UNION" if union.args.get("distinct") else "UNION ALL"
    if any(update.args.get("from_") for update in tree.find_all(exp.Update)):
        yield "UPDATE FROM"
    if any(delete.args.get("using") for delete in tree.find_all(exp.Delete)):
        yield "DELETE USING"
