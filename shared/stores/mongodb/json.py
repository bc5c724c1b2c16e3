"""Documents as JSON text."""

from typing import Any

from bson import DBRef
from pydantic_core import to_json


def json_of(value: Any) -> str:
    """What a document holds, as JSON. Raises for anything in it that JSON does not have."""
    return to_json(value, fallback=_plain).decode()


def _plain(value: Any) -> Any:
    # Whatever has the fields $ref and $id, the driver takes for a reference to another document.
    if isinstance(value, DBRef):
        return dict(value.as_doc())
    raise TypeError(f"no JSON for {type(value)}")
