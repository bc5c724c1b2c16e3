"""The consistency_token: how far into a database's log a read has to see.

    1.<cluster>.<timeline>.<position>      each in hexadecimal
    1.primary                              the position is not known: only the primary will do

For clients it is opaque text. `cluster` is PostgreSQL's system identifier, which a primary and its replicas share; so a
token of another service's database is known as such. `timeline` goes up with every failover. A server that was left
behind on the old timeline may have a higher position there, and still lack what the token speaks of.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from shared.contract.errors import FieldInvalid

# The key in the metadata of calls, and in the trailing metadata of answers.
KEY = "consistency_token"

_FORM = re.compile(r"1\.([0-9A-F]{1,16})\.([0-9A-F]{1,8})\.([0-9A-F]{1,16})")
_UNKNOWN = "1.primary"
# What later releases may write. A process that is not upgraded yet need not understand it: the primary has everything.
_LATER = re.compile(r"([2-9]|[1-9][0-9]{1,3})\.[!-~]{1,200}")


class _Primary(Enum):
    PRIMARY = "primary"


# No position will do, only the primary itself.
Primary = Literal[_Primary.PRIMARY]
PRIMARY: Primary = _Primary.PRIMARY


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log of a primary and its replicas; `lsn` is PostgreSQL's log sequence number."""

    cluster: int
    timeline: int
    lsn: int

    def covers(self, wanted: "Position") -> bool:
        """Whether a server that has come so far has all that was there at `wanted`."""
        return self.cluster == wanted.cluster and self.timeline >= wanted.timeline and self.lsn >= wanted.lsn

    def joined(self, other: "Position") -> "Position":
        """What covers both."""
        return Position(self.cluster, max(self.timeline, other.timeline), max(self.lsn, other.lsn))


# What a read has to see.
Demand = Position | Primary


def token(position: Position | None) -> str:
    """The text for a position; None is one that could not be learned."""
    if position is None:
        return _UNKNOWN
    return f"1.{position.cluster:X}.{position.timeline:X}.{position.lsn:X}"


def demand(tokens: Iterable[str | bytes]) -> Demand | None:
    """What the tokens of a call ask for together; None without any. Raises FieldInvalid.

    A client may send those of several services, each of which has a database of its own, so positions of different
    clusters may come together: `Position.joined` does not fit them, and the primary has to answer."""
    wanted: Demand | None = None
    for text in tokens:
        one = _read(text)
        if wanted is None:
            wanted = one
        elif one is PRIMARY or wanted is PRIMARY or one.cluster != wanted.cluster:
            wanted = PRIMARY
        else:
            wanted = wanted.joined(one)
    return wanted


def _read(text: str | bytes) -> Demand:
    if isinstance(text, str):
        if parts := _FORM.fullmatch(text):
            return Position(*(int(part, 16) for part in parts.groups()))
        if text == _UNKNOWN or _LATER.fullmatch(text):
            return PRIMARY
    raise FieldInvalid(KEY, "must be the consistency_token of an earlier answer, unchanged")
