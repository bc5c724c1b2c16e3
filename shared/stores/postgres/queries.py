"""SQL lives in .sql files, each query under a head line that names it, what it does and to which table:

-- name: get_player (select players)
-- Why it is as it is.
SELECT ...
"""

import re
from dataclasses import dataclass
from pathlib import Path

_HEAD = re.compile(r"^-- name: (?P<name>\w+) \((?P<query_type>select|insert|update|delete) (?P<table>\w+)\)$", re.M)


@dataclass(frozen=True)
class Query:
    """One named statement, with what logs and metrics say about it."""

    name: str
    query_type: str
    table: str
    sql: str


def load(path: Path) -> dict[str, Query]:
    """The queries of a file by name. Raises ValueError for a name that stands twice."""
    text = path.read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    queries: dict[str, Query] = {}
    for head, end in zip(heads, ends, strict=True):
        name = head["name"]
        if name in queries:
            raise ValueError(f"{path}: {name} stands twice")
        body = text[head.end() : end]
        sql = "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--")).strip()
        queries[name] = Query(name, head["query_type"], head["table"], sql)
    return queries
