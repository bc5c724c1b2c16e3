"""Where an entry stands in its board's order, as text that sorts so: the best first."""

import secrets
import time
from typing import NamedTuple

from services.leaderboard.boards.types import LARGEST_SCORE, BoardPosition

# No item of a board's order sorts at or behind this, nor before the letter that all of them begin with.
BEGIN, END = "r", "s"

_SUBSCORES = 2**63
_ORDERS = 2**64
# An order number is a time in microseconds and so many random bits.
_RANDOM_BITS = 12


class Position(NamedTuple):
    """`order` tells equals apart: who has the smaller one leads."""

    score: int
    subscore: int
    order: int

    def key(self) -> str:
        """The sort key of the entry that stands here begins with this, and nobody else's does."""
        return f"{score_key(self.score)}{_SUBSCORES - 1 - self.subscore:016x}{self.order:016x}"

    def place(self) -> str:
        """Of equal scores, the greater text leads."""
        return f"{self.subscore + _SUBSCORES:016x}{_ORDERS - 1 - self.order:016x}"

    @classmethod
    def of(cls, sort_key: str) -> "Position":
        """The position that a sort key tells."""
        score, subscore, order = (int(sort_key[at:to], 16) for at, to in ((1, 15), (15, 31), (31, 47)))
        return cls(LARGEST_SCORE - score, _SUBSCORES - 1 - subscore, order)


def score_key(score: int) -> str:
    """What the keys of this score begin with; it sorts before all of them, and behind those of higher scores."""
    return f"{BEGIN}{LARGEST_SCORE - score:014x}"


def entry_id_of(sort_key: str) -> str:
    """Who stands at a sort key."""
    return sort_key[47:]


def behind(position: BoardPosition) -> str:
    """The least sort key behind a position, whoever stood there."""
    # A token of another store has a shorter place: it leads to somewhere near.
    place = int(position.place.ljust(32, "0"), 16)
    return f"{score_key(position.score)}{2**128 - place:032x}"


class Clock:
    """Draws order numbers, which rise."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, after: int = 0) -> int:
        """A number greater than `after` and all that were drawn here before."""
        drawn = time.time_ns() // 1000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._last = max(drawn, self._last + 1, after + 1 + secrets.randbits(_RANDOM_BITS))
        return self._last


def microseconds(order: int) -> int:
    """The time of an order number, in microseconds since 1970."""
    return order >> _RANDOM_BITS
