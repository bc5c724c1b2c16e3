"""Documents as JSON text."""

from typing import Any

from bson import DBRef, MinKey
from pydantic_core import from_json, to_json

_NO_DATABASE = '"$db":null'


def of_json(text: str) -> Any:
    """What a document holds for JSON text, which has no spaces between its parts."""
    value = from_json(text)
    return _marked(value) if _NO_DATABASE in text else value


def json_of(value: Any) -> str:
    """What a document holds, as JSON. Raises for anything in it that JSON does not have."""
    return to_json(value, fallback=_plain).decode()


def _plain(value: Any) -> Any:
    # Whatever has the fields $ref and $id, the driver takes for a reference to another document.
    if isinstance(value, DBRef):
        return dict(value.as_doc())
    if isinstance(value, MinKey):
        return None
    raise TypeError(f"no JSON for {type(value)}")


def _marked(value: Any) -> Any:
    """With another value for null under $db: a reference without a database is, for the driver, one without the field,
    which would be gone."""
    match value:
        case dict():
            return {key: MinKey() if key == "$db" and part is None else _marked(part) for key, part in value.items()}
        case list():
            return [_marked(part) for part in value]
        case _:
            return value
