"""SQL lives in .sql files, each query under a head line that names it, what it does and to which table:

-- name: get_player (select players)
-- Why it is as it is.
SELECT ...

What several queries have in common is a piece in a file of pieces, under a line `-- piece: <name>`. A query takes it in
by a line `-- include: <name>`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_HEAD = re.compile(r"^-- name: (?P<name>\w+) \((?P<query_type>select|insert|update|delete) (?P<table>\w+)\)$", re.M)
_PIECE = re.compile(r"^-- piece: (?P<name>\w+)$", re.M)
# What makes a statement that several share impatient, and what stands there in the patient one.
_PATIENT = {" SKIP LOCKED": "", "ON CONFLICT DO NOTHING": "", "'lock_timeout', '100ms'": "'lock_timeout', '500ms'"}
_INCLUDE = re.compile(r"^ *-- include: (\w+)$", re.M)


@dataclass(frozen=True)
class Query:
    """One named statement, with what logs and metrics say about it."""

    name: str
    query_type: str
    table: str
    sql: str

    def patient(self) -> "Query":
        """The same for one request: it waits half a second for what somebody else has locked, and fails for a value
        that is taken, where this one leaves such rows out, or fails after a shorter wait."""
        sql = self.sql
        for impatient, patient in _PATIENT.items():
            sql = sql.replace(impatient, patient)
        return replace(self, sql=sql)


def load(path: Path, pieces: Mapping[str, str] | None = None) -> dict[str, Query]:
    """The queries of a file by name. Raises ValueError for a name that stands twice, KeyError for a piece that is not
    among the given ones."""
    return {
        head["name"]: Query(head["name"], head["query_type"], head["table"], _sql(body, pieces or {}))
        for head, body in _parts(path, _HEAD)
    }


def load_pieces(path: Path) -> dict[str, str]:
    """The pieces of a file by name. Raises ValueError for a name that stands twice."""
    return {head["name"]: _sql(body, {}) for head, body in _parts(path, _PIECE)}


def _parts(path: Path, head: re.Pattern[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Each head line of a file, with what stands below it."""
    text = path.read_text(encoding="utf-8")
    heads = list(head.finditer(text))
    ends = [found.start() for found in heads[1:]] + [len(text)]
    names: set[str] = set()
    for found, end in zip(heads, ends, strict=True):
        if found["name"] in names:
            raise ValueError(f"{path}: {found['name']} stands twice")
        names.add(found["name"])
        yield found, text[found.end() : end]


def _sql(body: str, pieces: Mapping[str, str]) -> str:
    whole = _INCLUDE.sub(lambda include: pieces[include[1]], body)
    return "\n".join(line for line in whole.splitlines() if not line.lstrip().startswith("--")).strip()
