"""Items and requests in plain values, and the form in which DynamoDB's API takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Numbers are integers here, of up to 38 digits.
Value = str | int
Item = Mapping[str, Value]

# Every table of ours has these two as its key.
PARTITION = "pk"
SORT = "sk"


class Key(NamedTuple):
    """An item's key. Items of a partition are ordered by the bytes of `sort`."""

    partition: str
    sort: str


@dataclass(frozen=True)
class Query:
    """What logs and metrics say about a request. `query_type` is select, insert, update or delete."""

    name: str
    query_type: str
    table: str


@dataclass(frozen=True)
class Range:
    """Items of a partition from `first` to `last`, both included."""

    partition: str
    first: str
    last: str


@dataclass(frozen=True)
class Page:
    """A part of a range. `items` is empty where only the `count` was asked for. `end` is the last key that was read,
    and None where the range ends with this page."""

    items: Sequence[Item]
    count: int
    end: Key | None


@dataclass(frozen=True)
class Write:
    """A part of a transaction. It fails, and all the others with it, unless `condition` holds, an expression of
    DynamoDB's. In expressions, `:x` stands for the value `params[":x"]`, `#x` for the attribute `names["#x"]`."""

    key: Key
    condition: str = ""
    params: Mapping[str, Value] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Put(Write):
    """Writes an item, in place of what was there."""

    item: Item = field(default_factory=dict)


@dataclass(frozen=True)
class Update(Write):
    """Changes attributes of an item, which it makes if it is not there: the condition must say that it is."""

    expression: str = ""


@dataclass(frozen=True)
class Delete(Write):
    """Deletes an item, or nothing."""


@dataclass(frozen=True)
class Check(Write):
    """Only looks at an item."""


def key_out(key: Key) -> dict[str, Any]:
    """A key for the API."""
    return {PARTITION: {"S": key.partition}, SORT: {"S": key.sort}}


def values_out(values: Mapping[str, Value]) -> dict[str, Any]:
    """Attributes, or values of expressions, for the API."""
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()}


def item_in(item: Mapping[str, Any]) -> Item:
    """An item from the API."""
    return {name: value["S"] if "S" in value else int(value["N"]) for name, value in item.items()}


def key_of(item: Item) -> Key:
    """The key of an item."""
    return Key(str(item[PARTITION]), str(item[SORT]))


def write_out(write: Write, table: str) -> dict[str, Any]:
    """A part of a transaction for the API."""
    about: dict[str, Any] = {"TableName": table}
    if write.condition:
        about["ConditionExpression"] = write.condition
    if write.params:
        about["ExpressionAttributeValues"] = values_out(write.params)
    if write.names:
        about["ExpressionAttributeNames"] = dict(write.names)
    match write:
        case Put(item=item):
            return {"Put": {**about, "Item": {**key_out(write.key), **values_out(item)}}}
        case Update(expression=expression):
            return {"Update": {**about, "Key": key_out(write.key), "UpdateExpression": expression}}
        case Delete():
            return {"Delete": {**about, "Key": key_out(write.key)}}
        case _:
            return {"ConditionCheck": {**about, "Key": key_out(write.key)}}
