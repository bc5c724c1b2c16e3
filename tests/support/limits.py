"""The limits that the protos state as buf.validate rules, and requests at each of them and just beyond.

The requests come from the descriptors alone: a new field, RPC or limit is tried without a word here. A rule of a kind
that is not known here raises KeyError: teach it to `_KEEPS`, `_OF_FIELDS` or `_OF_MESSAGES`.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.rpcs import Rpc

_F = FieldDescriptor

# Protobuf's types know the descriptors of its Python implementation only, and those that run are another's.
Field = Any
Descriptor = Any
Rules = Any

# What no rule states, so what is refused here is said in prose only. A name stands for all fields of that name. (How
# short a bucket may be follows from the times: tests/conformance/gamelog/test_aggregate.py.)
PROSE_FIELDS = {"page_token", "etag", "bucket_seconds"}
PROSE_TYPES = {"google.protobuf.Struct", "google.protobuf.Timestamp"}

_MASK = "google.protobuf.FieldMask"
_INTEGERS = {_F.CPPTYPE_INT32: (-(2**31), 2**31 - 1), _F.CPPTYPE_INT64: (-(2**63), 2**63 - 1)}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Does the value keep the limit? The messages of rules name a limit alike for all types.
_KEEPS: dict[str, Callable[[Any, Any], bool]] = {
    "uuid": lambda value, limit: bool(_UUID.fullmatch(value)) is limit,
    "min_len": lambda value, limit: len(value) >= limit,
    "max_len": lambda value, limit: len(value) <= limit,
    "min_bytes": lambda value, limit: len(value.encode()) >= limit,
    "max_bytes": lambda value, limit: len(value.encode()) <= limit,
    "pattern": lambda value, limit: re.search(limit, value) is not None,
    "gte": lambda value, limit: value >= limit,
    "lte": lambda value, limit: value <= limit,
    "not_in": lambda value, limit: value not in limit,
    "min_items": lambda value, limit: len(value) >= limit,
    "max_items": lambda value, limit: len(value) <= limit,
    "in": lambda value, limit: all(path in limit for path in value),
}

_Change = Callable[[Any], None]

# The rules in CEL that a field may have; what breaks them is tried below.
_OF_FIELDS = {"each_player_once", "some_path"}


@dataclass(frozen=True)
class Case:
    """A good request in which one field was changed. `path` is that field's, `kept` whether its rules allow it."""

    what: str
    request: Message
    path: str
    kept: bool


@dataclass(frozen=True)
class _Place:
    """A message inside a request: how a path to it begins, and how it is reached."""

    prefix: str
    reach: Callable[[Any], Any]


def good(kind: Callable[[], Message]) -> Message:
    """A request within all limits, without what may be left out; nothing in it exists."""
    message = kind()
    _fill(message)
    return message


def cases(rpc: Rpc) -> list[Case]:
    """The RPC's requests at each limit of each field, and beyond it."""
    descriptor: Descriptor = rpc.request.DESCRIPTOR
    return list(_in_message(rpc, descriptor, _Place("", lambda request: request)))


def _in_message(rpc: Rpc, descriptor: Descriptor, place: _Place) -> Iterator[Case]:
    def case(what: str, path: str, kept: bool, change: _Change) -> Case:
        request = good(rpc.request)
        change(place.reach(request))
        return Case(f"{rpc.name} {path}: {what}", request, place.prefix + path, kept)

    for rule in descriptor.GetOptions().Extensions[validate_pb2.message].cel:
        path, change = _OF_MESSAGES[rule.id]
        yield case(rule.message, path, False, change)
    for group in descriptor.oneofs:
        if group.GetOptions().Extensions[validate_pb2.oneof].required:
            yield case("none", group.name, False, partial(_clear_group, group=group.name))
    for field in descriptor.fields:
        if field.name in PROSE_FIELDS or (field.message_type and field.message_type.full_name in PROSE_TYPES):
            continue
        for what, path, kept, change in _of_field(field):
            yield case(what, path, kept, change)
        if field.message_type is not None and field.message_type.full_name != _MASK:
            yield from _in_message(rpc, field.message_type, _inside(place, field))


def _inside(place: _Place, field: Field) -> _Place:
    """The message in a field; of a list the second, so that a path with a wrong number is noticed."""
    if field.is_repeated:
        return _Place(f"{place.prefix}{field.name}[1].", lambda request: getattr(place.reach(request), field.name)[1])
    return _Place(f"{place.prefix}{field.name}.", lambda request: getattr(place.reach(request), field.name))


def _of_field(field: Field) -> Iterator[tuple[str, str, bool, _Change]]:
    """Changes of one field: what they are, the path of what they change, whether its rules allow it."""
    rules = _rules(field)
    _named(rules)
    if rules.required:
        yield "left out", field.name, False, partial(_clear, field=field)
    if field.is_repeated:
        yield from _of_list(field, rules)
    elif field.message_type is None:
        for value in _values(field, rules):
            yield _shown(value), field.name, _keeps(field, rules, value), _setting(field, value)
    elif field.message_type.full_name == _MASK:
        paths = list(getattr(rules.field_mask, "in"))
        for some in ([], paths, *([path] for path in paths), ["coins"], ["player_id"], [*paths, "*"], [""]):
            kept = _keeps(field, rules, some) and (bool(some) or "some_path" not in _named(rules))
            yield f"{some}", field.name, kept, partial(_mask, field=field, paths=some)


def _of_list(field: Field, rules: Rules) -> Iterator[tuple[str, str, bool, _Change]]:
    limits = rules.repeated
    for count in sorted({0, 1, limits.min_items, limits.max_items, limits.max_items + 1}):
        kept = limits.min_items <= count <= (limits.max_items or count)
        yield f"{count} items", field.name, kept, partial(_extend, field=field, count=count)
    once = "each_player_once" in _named(rules)
    if field.message_type is None:
        for value in _values(field, limits.items):
            kept = _keeps(field, limits.items, value)
            yield _shown(value), f"{field.name}[1]", kept, partial(_replace, field=field, value=value)
    path = f"{field.name}[1].player_id" if once else field.name
    yield "the same twice", path, not once, partial(_repeat, field=field)


def _values(field: Field, rules: Rules) -> list[Any]:
    """Values of the field's type at its limits and beyond, and what its type has at its ends."""
    if field.cpp_type == _F.CPPTYPE_STRING:
        return _texts(rules.string)
    if field.cpp_type == _F.CPPTYPE_ENUM:
        numbers = [value.number for value in field.enum_type.values]
        return [-1, *numbers, max(numbers) + 1]
    if field.cpp_type == _F.CPPTYPE_BOOL:
        return [False, True]
    least, most = _INTEGERS[field.cpp_type]
    limits = [number for _, limit in _limits(rules) for number in (limit if hasattr(limit, "__len__") else [limit])]
    near = {number + step for number in (least, 0, most, *limits) for step in (-1, 0, 1)}
    return sorted(number for number in near if least <= number <= most)


def _texts(limits: Any) -> list[str]:
    """Texts of all lengths at a limit or beyond it, in characters of one to four bytes; then some of other forms."""
    made = str(uuid.uuid4())
    if limits.uuid:
        return [
            made,
            made.upper(),
            "",
            made[1:],
            made + "0",
            made.replace("-", ""),
            f"{{{made}}}",
            "g" + made[1:],
            "\uff10" + made[1:],
        ]
    lengths = {limits.min_len, limits.max_len, limits.min_bytes, limits.max_bytes}
    around = sorted({length + step for length in lengths for step in (-1, 0, 1) if length + step >= 0})
    long = [_text(limits, length, character) for length in around for character in ("a", "é", "\U0001f9ea")]
    by_bytes = ["é" * (length // 2) + "a" * (length % 2) for length in around if limits.max_bytes]
    return ["", *long, *by_bytes, "a b", "A", "a/b", "a@", "@a", "a@b@c", "a@b@", "a b@c", "a.b_c-d"]


def _text(limits: Any, length: int, character: str = "a") -> str:
    """A text of that length, as an email address where the pattern wants one and it is long enough."""
    return character * (length - 2) + "@b" if "@" in limits.pattern and length > 2 else character * length


def _keeps(field: Field, rules: Rules, value: Any) -> bool:
    if field.enum_type is not None:
        return not rules.enum.defined_only or value in field.enum_type.values_by_number
    return all(_KEEPS[name](value, limit) for name, limit in _limits(rules))


def _limits(rules: Rules) -> list[tuple[str, Any]]:
    """The rules of the field's type, by name."""
    kind = rules.WhichOneof("type")
    return [(limit.name, value) for limit, value in getattr(rules, kind).ListFields()] if kind else []


def _named(rules: Rules) -> set[str]:
    """The rules in CEL. Raises KeyError for one that nothing here breaks."""
    named = {rule.id for rule in rules.cel}
    if unknown := named - _OF_FIELDS:
        raise KeyError(*unknown)
    return named


def _rules(field: Field) -> Rules:
    """What the field says of itself; a message that is left alone as a whole is checked for what is in it here."""
    return field.GetOptions().Extensions[validate_pb2.field]


def _fill(message: Any) -> None:
    descriptor: Descriptor = message.DESCRIPTOR
    for field in descriptor.fields:
        group = field.containing_oneof
        if field.is_repeated:
            _extend(message, field, 2)
        elif field.message_type is not None:
            _fill_message(message, field)
        elif group is None or (len(group.fields) > 1 and group.fields[0].name == field.name):
            setattr(message, field.name, _good_value(field, _rules(field)))


def _fill_message(message: Any, field: Field) -> None:
    if field.message_type.full_name in PROSE_TYPES:
        return
    if field.message_type.full_name == _MASK:
        getattr(message, field.name).paths[:] = getattr(_rules(field).field_mask, "in")
    else:
        _fill(getattr(message, field.name))


def _good_value(field: Field, rules: Rules) -> Any:
    if field.cpp_type == _F.CPPTYPE_STRING:
        if rules.string.uuid:
            return str(uuid.uuid4())
        return _new_text(rules.string) if _limits(rules) else ""
    if field.cpp_type in _INTEGERS:
        return next(number for number in (0, 1) if _keeps(field, rules, number))
    return field.default_value


def _new_text(limits: Any) -> str:
    made = uuid.uuid4().hex[: limits.max_len or None]
    return f"{made}@example.com" if "@" in limits.pattern else made


def _extend(part: Any, field: Field, count: int) -> None:
    """So many new items, and no others."""
    part.ClearField(field.name)
    values = getattr(part, field.name)
    for _ in range(count):
        if field.message_type is None:
            values.append(_good_value(field, _rules(field).repeated.items))
        else:
            _fill(values.add())


def _setting(field: Field, value: Any) -> _Change:
    def change(part: Any) -> None:
        setattr(part, field.name, value)
        if field.name == "winner_team" and "players" in part.DESCRIPTOR.fields_by_name:
            # Only a team that plays can win.
            for player in part.players:
                player.team = max(value, 0)

    return change


def _mask(part: Any, field: Field, paths: list[str]) -> None:
    mask = getattr(part, field.name)
    mask.SetInParent()
    mask.paths[:] = paths


def _clear(part: Any, field: Field) -> None:
    part.ClearField(field.name)


def _clear_group(part: Any, group: str) -> None:
    part.ClearField(part.WhichOneof(group))


def _replace(part: Any, field: Field, value: Any) -> None:
    getattr(part, field.name)[1] = value


def _repeat(part: Any, field: Field) -> None:
    values = getattr(part, field.name)
    if field.message_type is None:
        values[1] = values[0]
    else:
        values[1].CopyFrom(values[0])


def _to_themselves(part: Any) -> None:
    part.receiver_player_id = part.sender_player_id


# The rules of whole messages: the path that the services answer with, and what breaks them.
_OF_MESSAGES: dict[str, tuple[str, _Change]] = {"receiver_is_another": ("receiver_player_id", _to_themselves)}


def _shown(value: Any) -> str:
    return f"{value[:12]!r}, {len(value)} characters" if isinstance(value, str) else f"{value}"
