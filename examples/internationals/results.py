"""Reads the file of results: one match a row, oldest first, plain or gzipped CSV."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TextIO

COLUMNS = (
    "date",
    "home_team",
    "away_team",
    "home_score",
    "away_score",
    "tournament",
    "city",
    "country",
    "neutral",
)
_GZIP_MAGIC = b"\x1f\x8b"
_NEUTRAL = {"TRUE": True, "FALSE": False}
_MOST_GOALS = 999


class ResultsError(Exception):
    """The file cannot be played; the message names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Result:
    """One row. `number` counts the rows from 1: only with it is a match unique, for two teams may meet twice a day."""

    number: int
    day: date
    home: str
    away: str
    home_goals: int
    away_goals: int
    tournament: str
    city: str
    country: str
    neutral: bool

    def __str__(self) -> str:
        return f"match {self.number} ({self.day} {self.home} - {self.away})"


def read(path: Path, limit: int | None = None) -> list[Result]:
    """The first `limit` rows, or all. Raises ResultsError."""
    try:
        with ExitStack() as stack:
            lines = _open(path, stack)
            results = list(islice(_parse(path, lines), limit))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ResultsError(f"cannot read {path}: {why}; DEMO_FILE= names a CSV file, plain or gzipped") from error
    if not results:
        raise ResultsError(f"{path} has no matches below its header")
    return results


def _open(path: Path, stack: ExitStack) -> TextIO:
    file = stack.enter_context(path.open("rb"))
    packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    content = stack.enter_context(gzip.GzipFile(fileobj=file)) if packed else file
    # Spreadsheets like to begin a file with a byte order mark.
    return stack.enter_context(io.TextIOWrapper(content, encoding="utf-8-sig", newline=""))


def _parse(path: Path, lines: TextIO) -> Iterator[Result]:
    reader = csv.DictReader(lines)
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise ResultsError(f"{path} lacks the column {missing[0]}; its first line must name {', '.join(COLUMNS)}")
    for number, row in enumerate(reader, start=1):
        try:
            yield _result(number, row)
        except ValueError as error:
            raise ResultsError(f"{path}, line {reader.line_num}: {error}") from error


def _result(number: int, row: dict[str, str | None]) -> Result:
    result = Result(
        number,
        _day(_text(row, "date")),
        _text(row, "home_team"),
        _text(row, "away_team"),
        _goals(row, "home_score"),
        _goals(row, "away_score"),
        _text(row, "tournament"),
        _text(row, "city"),
        _text(row, "country"),
        _neutral(_text(row, "neutral")),
    )
    if result.home == result.away:
        raise ValueError(f"home_team and away_team must differ, and are both {result.home!r}")
    return result


def _text(row: dict[str, str | None], column: str) -> str:
    value = (row[column] or "").strip()
    if not value:
        raise ValueError(f"{column} must not be empty")
    return value


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"date must be a day like 1872-11-30, and is {value!r}") from None


def _goals(row: dict[str, str | None], column: str) -> int:
    value = _text(row, column)
    if not (value.isascii() and value.isdigit() and int(value) <= _MOST_GOALS):
        raise ValueError(f"{column} must be a whole number from 0 to {_MOST_GOALS}, and is {value!r}")
    return int(value)


def _neutral(value: str) -> bool:
    if value not in _NEUTRAL:
        raise ValueError(f"neutral must be TRUE or FALSE, and is {value!r}")
    return _NEUTRAL[value]
