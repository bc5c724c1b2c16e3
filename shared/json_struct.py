"""google.protobuf.Struct to JSON and back, refusing what JSON or PostgreSQL's jsonb cannot hold."""

import json
import math
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from shared.errors import FieldInvalid


def to_json(struct: Struct, field: str, most_bytes: int) -> str:
    """The struct as JSON text. Raises FieldInvalid for NaN, infinity, a NUL character, or more than `most_bytes`."""
    if not struct.fields:
        return "{}"
    text = json.dumps(_object(struct, field), ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > most_bytes:
        raise FieldInvalid(field, f"must be at most {most_bytes} bytes as JSON, and has {size}")
    return text


def from_json(text: str) -> Struct:
    """The struct of a JSON object that `to_json` made."""
    struct = Struct()
    if text != "{}":
        struct.update(json.loads(text))
    return struct


def _object(struct: Struct, field: str) -> dict[str, Any]:
    return {_text(key, field): _plain(value, f"{field}.{key}") for key, value in struct.fields.items()}


def _plain(value: Value, field: str) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value, field)
        case "string_value":
            return _text(value.string_value, field)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value, field)
        case "list_value":
            return [_plain(item, f"{field}[{place}]") for place, item in enumerate(value.list_value.values)]
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
