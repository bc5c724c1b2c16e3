"""SQL lives in .sql files, each query under a head line that names it, what it does and to which table:

-- name: get_player (select players)
-- Why it is as it is.
SELECT ...

What several queries have in common is a piece in a file of pieces, under a line `-- piece: <name>`; what differs
between databases is a piece with one text for each kind of database, `-- piece: <name> (<kind>)` (dialect.py). A query
takes a piece in by a line `-- include: <name>`. A query that only one kind of database has says so at the end of its
head line: `-- only: <kind>`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.stores.postgres.dialect import Dialect

_HEAD = re.compile(
    r"^-- name: (?P<name>\w+) \((?P<query_type>select|insert|update|delete) (?P<table>\w+)\)"
    r"(?: -- only: (?P<kind>\w+))?$",
    re.M,
)
_PIECE = re.compile(r"^-- piece: (?P<name>\w+)(?: \((?P<kind>\w+)\))?$", re.M)
# What makes a statement that several share impatient, and what stands there in the patient one.
_PATIENT = {" SKIP LOCKED": "", "ON CONFLICT DO NOTHING": "", "'lock_timeout', '100ms'": "'lock_timeout', '500ms'"}
_INCLUDE = re.compile(r"^ *-- include: (\w+)$", re.M)

# The piece that every statement for several callers has.
_SHARED = "impatient"

# The kind of a piece that is the same for every database.
_ANY = ""


@dataclass(frozen=True)
class Query:
    """One named statement, with what logs and metrics say about it."""

    name: str
    query_type: str
    table: str
    sql: str
    # Whether it does what several callers ask for. Where it fails for one of them, each of them is done alone.
    shared: bool = False
    # Whether it may take seconds: a replica is given as long for it as it answers at all.
    slow: bool = False

    def patient(self) -> "Query":
        """The same for one request: it waits half a second for what somebody else has locked, and fails for a value
        that is taken, where this one leaves such rows out, or fails after a shorter wait."""
        sql = self.sql
        for impatient, patient in _PATIENT.items():
            sql = sql.replace(impatient, patient)
        return replace(self, sql=sql)


@dataclass(frozen=True)
class Pieces:
    """The pieces of a few files: the text of each name and kind."""

    texts: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __or__(self, other: "Pieces") -> "Pieces":
        return Pieces({**self.texts, **other.texts})

    def text(self, name: str, dialect: Dialect) -> str:
        """A piece as a dialect has it. Raises KeyError where there is none."""
        kinds = (*dialect.pieces, _ANY)
        found = [self.texts[name, kind] for kind in kinds if (name, kind) in self.texts]
        if not found:
            raise KeyError(f"no piece {name} for {dialect.name}")
        # A piece may take in others.
        return _INCLUDE.sub(lambda include: self.text(include[1], dialect), found[0])


class Queries:
    """The queries of a file, for each dialect."""

    def __init__(self, path: Path, pieces: Pieces) -> None:
        self._pieces = pieces
        self._parts = list(_parts(path, _HEAD))

    def of(self, dialect: Dialect) -> Mapping[str, Query]:
        """Those that a dialect has, by name. Raises KeyError for a piece that it lacks."""
        return {
            head["name"]: Query(
                head["name"],
                head["query_type"],
                head["table"],
                self._sql(body, dialect),
                shared=_SHARED in _INCLUDE.findall(body),
            )
            for head, body in self._parts
            if head["kind"] in (None, *dialect.pieces)
        }

    def _sql(self, body: str, dialect: Dialect) -> str:
        whole = _INCLUDE.sub(lambda include: self._pieces.text(include[1], dialect), body)
        return "\n".join(line for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("--"))


def load(path: Path, pieces: Pieces | None = None) -> Queries:
    """The queries of a file. Raises ValueError for a name that stands twice."""
    return Queries(path, pieces or Pieces())


def load_pieces(path: Path) -> Pieces:
    """The pieces of a file. Raises ValueError for one that stands twice."""
    return Pieces({(head["name"], head["kind"] or _ANY): body.strip("\n") for head, body in _parts(path, _PIECE)})


def _parts(path: Path, head: re.Pattern[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Each head line of a file, with what stands below it."""
    text = path.read_text(encoding="utf-8")
    heads = list(head.finditer(text))
    ends = [found.start() for found in heads[1:]] + [len(text)]
    names: set[tuple[str | None, ...]] = set()
    for found, end in zip(heads, ends, strict=True):
        name = found["name"], found["kind"]
        if name in names:
            raise ValueError(f"{path}: {found['name']} stands twice")
        names.add(name)
        yield found, text[found.end() : end]
