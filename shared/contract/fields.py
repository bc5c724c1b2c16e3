"""Checks of a request's fields. Each returns the value in the form the stores take, or raises FieldInvalid with the
field's path and what it must be."""

import re
from collections.abc import Sequence, Sized
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from shared.contract.errors import FieldInvalid

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

LARGEST_PAGE = 1000
DEFAULT_PAGE = 100

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEX = "[0-9a-fA-F]"
_UUID = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")


def uuid(value: str, field: str) -> UUID:
    """A UUID in its 36-character form."""
    return UUID(uuid_text(value, field))


def uuid_text(value: str, field: str) -> str:
    """Likewise, as text in small letters: the same as str(UUID(value)), at a fifth of its cost."""
    if not _UUID.fullmatch(value):
        raise FieldInvalid(field, f"must be a UUID, {_shown(value)}")
    return value.lower()


def required(message: Message, field: str) -> None:
    """A message inside that must be there."""
    if not message.HasField(field):
        raise FieldInvalid(field, "must be set")


def text(value: str, field: str, most: int, *, least: int = 1) -> str:
    """`least` to `most` characters, none of them a control character, no white space at either end."""
    if len(value) > most:
        raise FieldInvalid(field, f"must have at most {most} characters, and has {len(value)}")
    if len(value) < least:
        raise FieldInvalid(field, "must not be empty" if least == 1 else f"must have at least {least} characters")
    no_control(value, field)
    if value != value.strip():
        raise FieldInvalid(field, "must not begin or end with white space")
    return value


def no_control(value: str, field: str) -> None:
    """None of U+0000 to U+001F and U+007F to U+009F: line breaks, tabs, NUL and the like."""
    if _CONTROL.search(value):
        raise FieldInvalid(field, "must not contain control characters")


def integer(value: int, field: str, least: int, most: int) -> int:
    """Within `least` and `most`, both included."""
    if value < least:
        raise FieldInvalid(field, f"must be at least {least}, and is {value}")
    if value > most:
        raise FieldInvalid(field, f"must be at most {most}, and is {value}")
    return value


def count(items: Sized, field: str, most: int, *, least: int = 1) -> None:
    """`least` to `most` items."""
    if len(items) < least:
        raise FieldInvalid(field, f"must have at least {least}, and has {len(items)}")
    if len(items) > most:
        raise FieldInvalid(field, f"must have at most {most} in one call, and has {len(items)}; split the call")


def unique(items: Sequence[object], field: str, of: str) -> None:
    """No item twice; `of` names the part of each that must differ, say "player_id"."""
    seen: set[object] = set()
    for place, item in enumerate(items):
        if item in seen:
            raise FieldInvalid(f"{field}[{place}].{of}", f"must not repeat: {item} stands earlier")
        seen.add(item)


def page_size(value: int, field: str = "page_size", *, default: int = DEFAULT_PAGE, most: int = LARGEST_PAGE) -> int:
    """How many a page holds: `default` for 0, never more than `most`. Negative is an error (AIP-158)."""
    if value < 0:
        raise FieldInvalid(field, f"must not be negative, and is {value}")
    return min(value or default, most)


def time(value: Timestamp, field: str) -> datetime:
    """A timestamp from year 1 to 9999, in microseconds."""
    try:
        value_time = value.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldInvalid(field, "must be a time from 0001-01-01 to 9999-12-31") from error
    if not 0 <= value.nanos < 1_000_000_000:
        raise FieldInvalid(field, "nanos must be from 0 to 999999999")
    return value_time


def etag(value: str, field: str) -> int:
    """The version inside an etag that we gave."""
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise FieldInvalid(field, "must be the etag of what you have read")
    return int(value)


def _shown(value: str) -> str:
    return "and is empty" if not value else f"and is {value[:40]!r}"
