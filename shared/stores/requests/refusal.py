"""A refusal as a record keeps it. What the state did not allow is an answer too: it is recorded, and repeated ever
after.

A record that holds a refusal is JSON of one shape, whether SQL wrote it or this module did:

    {"refusal": {"kind": "PRECONDITION", "reason": …, "message": …, "metadata": {name: text, …}}}

No answer has a field `refusal`, so this is what tells the two apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from shared.contract.errors import AlreadyExists, FieldInvalid, NotFound, PreconditionFailed, SavepointError

T = TypeVar("T")

# The errors that are final, by their kind in a record. FieldInvalid is final only where the state decides what a field
# may be; a field that is wrong whatever the state is refused before there is a record.
_KINDS: dict[str, type[SavepointError]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "PRECONDITION": PreconditionFailed,
    "FIELD": FieldInvalid,
}
FINAL = (NotFound, AlreadyExists, PreconditionFailed, FieldInvalid)

# How PostgreSQL writes the beginning of such a record.
_BEGINNING = '{"refusal": '


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request came to nothing, for good."""

    kind: str
    reason: str
    message: str
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, error: SavepointError) -> "Refusal":
        """The refusal that an error of FINAL is."""
        kind = next(kind for kind, errors in _KINDS.items() if isinstance(error, errors))
        return cls(kind, error.reason, error.message, error.metadata)

    def error(self) -> SavepointError:
        """The error that the caller gets, the first time and every other time."""
        # Sorted, so that a refusal has the same bytes whether SQL or Python worded it.
        metadata = dict(sorted(self.metadata.items()))
        if self.kind == "FIELD":
            field = metadata["field"]
            return FieldInvalid(field, self.message.removeprefix(f"{field}: "))
        return _KINDS[self.kind](self.reason, self.message, **metadata)

    def json(self) -> str:
        """As a record keeps it."""
        return _RECORD.dump_json(_Record(self)).decode()


@dataclass(frozen=True, slots=True)
class _Record:
    refusal: Refusal


_RECORD = TypeAdapter(_Record)


def outcome(record: str, read: Callable[[str], T]) -> T | Refusal:
    """What a record says, given as the text of its jsonb: a refusal, or the answer that `read` makes of it."""
    return _RECORD.validate_json(record).refusal if record.startswith(_BEGINNING) else read(record)
