"""google.protobuf.Struct to JSON and back, refusing what JSON or PostgreSQL's jsonb cannot hold."""

import json
import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from shared.contract.errors import FieldInvalid
from shared.contract.wire import submessage

# The levels that a Struct may have, itself counted: an object or a list inside another is one more. Protobuf's parsers
# refuse to read more than 100 messages inside each other, and a level takes three of them: a Struct, its map's entry,
# a Value. An answer wraps the Struct in a few more, so what can be sent can be too deep to be answered.
DEEPEST = 16

# Earlier releases had no bound and stored whatever their parser accepted. Up to this depth a client can read it, in
# whatever answer it stands.
_DEEPEST_READABLE = 30

# A Value that is a number: its tag, and a double.
_NUMBER = struct.Struct("<Bd")

# How Python writes a number far from 1, say "1e+300".
_EXPONENT = re.compile(r"\de[+-]\d")

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')


def to_json(struct: Struct, field: str, most_bytes: int) -> str:
    """The struct as JSON text. Raises FieldInvalid for NaN, infinity, a NUL character, more than DEEPEST levels, or
    more than `most_bytes`. In these, each number counts with all of its digits: as jsonb, PostgreSQL keeps and answers
    them all, and "1e+300" has 301."""
    if not struct.fields:
        return "{}"
    try:
        plain = _object(struct, field, DEEPEST)
    except _TooDeep as error:
        raise FieldInvalid(field, f"must have at most {DEEPEST} levels of objects and lists, and has more") from error
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    # Most texts have no such number, and need no second look.
    more = _digits_left_out(plain) if _EXPONENT.search(text) else 0
    if size + more > most_bytes:
        written_out = " with all digits of its numbers" if more else ""
        raise FieldInvalid(field, f"must be at most {most_bytes} bytes as JSON{written_out}, and has {size + more}")
    return text


def from_json(text: str) -> Struct:
    """The struct of a JSON object that `to_json` made. Levels too deep for a client to read, which earlier releases
    stored, are replaced by their JSON as text: otherwise no list with such a row in it could be read."""
    # Struct.update does the same at five times the cost: each value is a message of its own for it.
    return Struct() if text == "{}" else Struct.FromString(_struct(json.loads(_readable(text))))


def _digits_left_out(plain: Any) -> int:
    """By how much longer the JSON gets where numbers are written without an exponent."""
    match plain:
        case float():
            text = repr(plain)
            return len(f"{Decimal(text):f}") - len(text) if "e" in text else 0
        case dict():
            return sum(map(_digits_left_out, plain.values()))
        case list():
            return sum(map(_digits_left_out, plain))
        case _:
            return 0


def _readable(text: str) -> str:
    if text.count("{") + text.count("[") <= _DEEPEST_READABLE:
        return text
    level = 0
    parts: list[str] = []
    done = 0
    for token in _TOKEN.finditer(text):
        match token.group():
            case "{" | "[":
                level += 1
                if level == _DEEPEST_READABLE + 1:
                    parts.append(text[done : token.start()])
                    done = token.start()
            case "}" | "]":
                if level == _DEEPEST_READABLE + 1:
                    parts.append(json.dumps(text[done : token.end()], ensure_ascii=False))
                    done = token.end()
                level -= 1
    return "".join(parts) + text[done:]


def _struct(values: Mapping[str, Any]) -> bytes:
    """A Struct's bytes."""
    parts = []
    for key, value in values.items():
        parts.append(submessage(1, submessage(1, key.encode()) + submessage(2, _value(value))))
    return b"".join(parts)


def _value(value: Any) -> bytes:
    """A Value's bytes."""
    match value:
        case str():
            return submessage(3, value.encode())
        case bool():
            return b"\x20\x01" if value else b"\x20\x00"
        case int() | float():
            return _NUMBER.pack(0x11, value)
        case None:
            return b"\x08\x00"
        case list():
            return submessage(6, b"".join([submessage(1, _value(item)) for item in value]))
        case _:
            return submessage(5, _struct(value))


class _TooDeep(Exception):
    """There are more levels than allowed."""


def _object(struct: Struct, field: str, levels: int) -> dict[str, Any]:
    if not levels:
        raise _TooDeep
    return {_text(key, field): _plain(value, f"{field}.{key}", levels - 1) for key, value in struct.fields.items()}


def _list(values: ListValue, field: str, levels: int) -> list[Any]:
    if not levels:
        raise _TooDeep
    return [_plain(item, f"{field}[{place}]", levels - 1) for place, item in enumerate(values.values)]


def _plain(value: Value, field: str, levels: int) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value, field)
        case "string_value":
            return _text(value.string_value, field)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value, field, levels)
        case "list_value":
            return _list(value.list_value, field, levels)
        case _:
            return None


def _number(number: float, field: str) -> float | int:
    if not math.isfinite(number):
        raise FieldInvalid(field, f"must be a finite number, and is {number}")
    # What a double holds exactly as an integer reads better, and stays the same, without a ".0".
    return int(number) if number.is_integer() and abs(number) <= 2**53 else number


def _text(text: str, field: str) -> str:
    if "\0" in text:
        raise FieldInvalid(field, "must not contain the NUL character")
    return text
