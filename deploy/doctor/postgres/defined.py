"""Which indexes a service's database must have: those that its migrations make and do not drop again.

The files are read, not run. Only the statements that make, rename or drop tables, constraints and indexes count;
tests/integration/test_doctor.py compares what comes out with migrated databases.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"(\$\w*\$).*?\1", re.S)
_STRING = re.compile(r"'(?:[^']|'')*'")
_NAME = r'(?:\w+\.)?"?(\w+)"?'
_CREATE_TABLE = re.compile(rf"^CREATE TABLE (?:IF NOT EXISTS )?{_NAME}(.*)", re.I | re.S)
_DROP_TABLE = re.compile(r"^DROP TABLE (?:IF EXISTS )?(.+?)(?: CASCADE| RESTRICT)?$", re.I | re.S)
_ALTER_TABLE = re.compile(rf"^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_NAME}(.*)", re.I | re.S)
_RENAME_TO = re.compile(rf"^\s*RENAME TO {_NAME}", re.I)
_RENAME_CONSTRAINT = re.compile(rf"RENAME CONSTRAINT {_NAME} TO {_NAME}", re.I)
_DROP_CONSTRAINT = re.compile(rf"DROP CONSTRAINT (?:IF EXISTS )?{_NAME}", re.I)
_CREATE_INDEX = re.compile(
    rf"^CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?{_NAME} ON (?:ONLY )?{_NAME}", re.I
)
_DROP_INDEX = re.compile(r"^DROP INDEX (?:CONCURRENTLY )?(?:IF EXISTS )?(.+?)(?: CASCADE| RESTRICT)?$", re.I | re.S)
_RENAME_INDEX = re.compile(rf"^ALTER INDEX (?:IF EXISTS )?{_NAME} RENAME TO {_NAME}", re.I)
# A constraint that is an index: by its name, or by the name that PostgreSQL gives it.
_NAMED = re.compile(rf"CONSTRAINT {_NAME}\s+(?:PRIMARY KEY|UNIQUE|EXCLUDE)", re.I)
_PRIMARY_KEY = re.compile(r"PRIMARY KEY", re.I)


def indexes(migrations: Iterable[Path]) -> dict[str, str]:
    """The table of each index, by the index's name."""
    found: dict[str, str] = {}
    for file in migrations:
        for statement in _statements(file):
            _follow(statement, found)
    return found


def _statements(file: Path) -> list[str]:
    up = file.read_text(encoding="utf-8").partition("-- migrate:down")[0]
    bare = _STRING.sub("''", _BODY.sub("$$", _COMMENT.sub("", up)))
    return [" ".join(statement.split()) for statement in bare.split(";")]


def _follow(statement: str, found: dict[str, str]) -> None:
    if made := _CREATE_TABLE.match(statement):
        # A copy's or partition's indexes are of names that nobody chose; each is there with the one it follows.
        _constraints(made[1], made[2], found)
    elif changed := _ALTER_TABLE.match(statement):
        _change(changed[1], changed[2], found)
    elif made := _CREATE_INDEX.match(statement):
        found[made[1]] = made[2]
    elif renamed := _RENAME_INDEX.match(statement):
        found[renamed[2]] = found.pop(renamed[1])
    elif dropped := _DROP_INDEX.match(statement):
        for name in _list(dropped[1]):
            found.pop(name, None)
    elif dropped := _DROP_TABLE.match(statement):
        for name in [index for index, table in found.items() if table in _list(dropped[1])]:
            del found[name]


def _change(table: str, what: str, found: dict[str, str]) -> None:
    for dropped in _DROP_CONSTRAINT.finditer(what):
        found.pop(dropped[1], None)
    for renamed in _RENAME_CONSTRAINT.finditer(what):
        if renamed[1] in found:
            found[renamed[2]] = found.pop(renamed[1])
    if moved := _RENAME_TO.match(what):
        found.update({index: moved[1] for index, of in found.items() if of == table})
    _constraints(table, what, found)


def _constraints(table: str, text: str, found: dict[str, str]) -> None:
    named = _NAMED.findall(text)
    found.update(dict.fromkeys(named, table))
    if _PRIMARY_KEY.search(_NAMED.sub("", text)):
        found[f"{table}_pkey"] = table


def _list(text: str) -> list[str]:
    return [name.strip().strip('"').rpartition(".")[2] for name in text.split(",")]
