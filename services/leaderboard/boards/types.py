"""What the leaderboard service knows of boards and their entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter

# A score is a double in the store; beyond, a double no longer tells one integer from the next.
LARGEST_SCORE = 2**53


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """One board. `created_at_us` is in microseconds since 1970."""

    leaderboard_id: str
    entry_count: int
    created_at_us: int


class Entry(NamedTuple):
    """One entry as it stood at one moment. A page makes up to a thousand, and a tuple takes half of what a frozen
    dataclass does.

    `place` orders equal scores: the greater text leads. `metadata` is JSON text, empty where none was ever set.
    `updated_at_us` is in microseconds since 1970. The true rank lies within `rank` ± `rank_error`; 0 means that it is
    exact.
    """

    entry_id: str
    place: str
    score: int
    subscore: int
    rank: int
    metadata: str
    updated_at_us: int
    rank_error: int = 0


class Submission(NamedTuple):
    """A score to be set. `metadata` None leaves an entry's as it is. A batch makes a thousand, hence a tuple."""

    leaderboard_id: str
    entry_id: str
    score: int
    subscore: int
    metadata: str | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submission did. `changed` says whether score or subscore are other than before."""

    entry: Entry
    previous: Entry | None
    changed: bool


class Placed(NamedTuple):
    """What a submission of a batch did: the entry's rank, and when it last changed, in microseconds since 1970;
    `rank_error` as in Entry."""

    rank: int
    updated_at_us: int
    rank_error: int = 0


@dataclass(frozen=True, slots=True)
class Top:
    """A part of a board from the top down, as it stood in this `version` of the board."""

    version: bytes
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class BoardPosition:
    """A position in a board's order: a page ended there. The entry that stood there may be gone."""

    score: Annotated[int, Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)]
    # 28 digits in Valkey, 32 in DynamoDB.
    place: Annotated[str, Field(pattern=r"^[0-9a-f]{28}([0-9a-f]{4})?$")]


# The JSON of this is what a page token holds.
POSITION = TypeAdapter(BoardPosition)
