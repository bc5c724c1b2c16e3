"""Requests of all kinds, from a message's descriptor alone: good ones, good ones with something odd, bytes that are
none."""

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz import odd, wire
from tests.fuzz.rpcs import Rpc
from tests.fuzz.world import World, new_id

_F = FieldDescriptor

# Protobuf's types know the descriptors of its Python implementation only, and those that run are another's.
Field = Any
Descriptor = Any

_RANGES = {
    _F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _F.CPPTYPE_UINT32: (0, 2**32 - 1),
    _F.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_STRUCT, _TIME, _MASK = "google.protobuf.Struct", "google.protobuf.Timestamp", "google.protobuf.FieldMask"
_PATHS = ("username", "email", "attributes", "mmr", "level", "xp")

# What an answer gives and a request may leave out; sent rarely, and looked at by few.
_SELDOM = ("etag", "last_login_at", "created_at", "acquired_at", "updated_at", "held_coins")

# What a request chooses for what it makes: mostly new.
_MADE_BY = {
    "CreatePlayer": ("player_id", "username", "email"),
    "RecordMatch": ("match_id",),
    "CreateLeaderboard": ("leaderboard_id",),
}

_KINDS = {"good": 25, "odd": 45, "deep": 5, "many": 5, "huge": 1, "again": 6, "reused": 4, "damaged": 8, "noise": 1}


class Requests:
    """The requests of one RPC, each made from its own seed, so that one can be made anew."""

    def __init__(self, rpc: Rpc, world: World, seed: str) -> None:
        self._rpc = rpc
        self._world = world
        self._seed = seed
        self._earlier: deque[bytes] = deque(maxlen=20)
        self._tokens: deque[str] = deque(maxlen=20)

    def make(self, number: int) -> tuple[str, bytes]:
        """The kind and the bytes of the request with that number."""
        rng = random.Random(f"{self._seed}/{self._rpc.path}/{number}")
        [kind] = rng.choices(list(_KINDS), list(_KINDS.values()))
        raw = self._raw(kind, rng)
        if kind in ("good", "odd"):
            self._earlier.append(raw)
        return kind, raw

    def next_page(self, raw: bytes, token: str) -> None:
        """Takes the request for the next page among those that come again."""
        message: Any = self._rpc.request.FromString(raw)
        message.page_token = token
        self._tokens.append(token)
        self._earlier.append(message.SerializeToString())

    def _raw(self, kind: str, rng: random.Random) -> bytes:
        if kind == "noise":
            return rng.randbytes(rng.choice((1, 10, 1_000)))
        if kind in ("again", "reused") and self._earlier:
            raw = rng.choice(self._earlier)
            return raw if kind == "again" else self._other_content(raw, rng)
        message = self._rpc.request()
        self._fill(message, rng)
        match kind:
            case "odd":
                for _ in range(rng.choice((1, 1, 1, 2, 3))):
                    self._make_odd(message, rng)
            case "many":
                self._make_many(message, rng)
            case "huge":
                self._make_huge(message, rng)
            case "damaged":
                return wire.damaged(message.SerializeToString(), rng)
            case "deep":
                return message.SerializeToString() + _deep(message.DESCRIPTOR, rng)
        return message.SerializeToString()

    def _fill(self, message: Message, rng: random.Random, left_out: float = 0.4) -> None:
        """A request that may well be accepted; so much of what is optional is left out."""
        descriptor: Descriptor = message.DESCRIPTOR
        chosen = {group.name: rng.choice(group.fields).name for group in descriptor.oneofs}
        for field in descriptor.fields:
            group = field.containing_oneof
            if group is not None and len(group.fields) > 1 and chosen[group.name] != field.name:
                continue
            if _presence(field) and rng.random() < (0.9 if field.name in _SELDOM else left_out):
                continue
            if not field.has_presence and field.name in _SELDOM and rng.random() < 0.9:
                continue
            if _repeated(field):
                self._extend(message, field, rng.choice((1, 1, 2, 3)), rng)
            elif field.message_type is not None:
                part = getattr(message, field.name)
                part.SetInParent()
                self._fill_message(part, field.name, rng)
            else:
                setattr(message, field.name, self._scalar(field, rng))

    def _fill_message(self, part: Message, name: str, rng: random.Random) -> None:
        match part.DESCRIPTOR.full_name:
            case "google.protobuf.Struct":
                _add(part, "n", rng.randrange(100))
                _add(part, "s", "é")
            case "google.protobuf.Timestamp":
                # What ends is after what starts.
                _set(
                    part,
                    seconds=int(time.time()) - (0 if name in ("ended_at", "end_time") else rng.randrange(1, 10_000)),
                )
            case "google.protobuf.FieldMask":
                _paths(part, rng.sample(_PATHS, rng.randrange(1, 4)))
            case _:
                self._fill(part, rng)

    def _extend(self, message: Message, field: Field, count: int, rng: random.Random, left_out: float = 0.4) -> None:
        values = getattr(message, field.name)
        # Players of a batch must differ; nothing else minds.
        players = rng.sample(self._world.players, min(count, len(self._world.players)))
        for place in range(count):
            if field.message_type is None:
                values.append(self._scalar(field, rng))
                continue
            part = values.add()
            self._fill(part, rng, left_out)
            if "player_id" in part.DESCRIPTOR.fields_by_name:
                part.player_id = players[place] if place < len(players) else new_id()

    def _scalar(self, field: Field, rng: random.Random) -> Any:
        if field.cpp_type == _F.CPPTYPE_STRING:
            if field.name in _MADE_BY.get(self._rpc.name, ()) and rng.random() < 0.7:
                return _new(field.name)
            return self._world.text(field.name, rng)
        if field.cpp_type == _F.CPPTYPE_ENUM:
            return rng.choice(field.enum_type.values).number
        if field.cpp_type == _F.CPPTYPE_BOOL:
            return rng.random() < 0.5
        return rng.randrange(1, 3)

    def _make_odd(self, message: Message, rng: random.Random) -> None:
        """One field, somewhere in the message, gets another value."""
        part, field = rng.choice(list(_fields(message)))
        if rng.random() < 0.15:
            part.ClearField(field.name)
        elif _repeated(field):
            values = getattr(part, field.name)
            if field.message_type is None and values and rng.random() < 0.8:
                values[rng.randrange(len(values))] = self._odd_scalar(field, rng)
            elif values:
                values.append(values[0])
        elif field.message_type is not None:
            self._odd_message(getattr(part, field.name), rng)
        else:
            setattr(part, field.name, self._odd_scalar(field, rng))

    def _odd_scalar(self, field: Field, rng: random.Random) -> Any:
        if field.cpp_type == _F.CPPTYPE_STRING:
            if field.name == "page_token" and self._tokens and rng.random() < 0.6:
                return _bent(rng.choice(self._tokens), rng)
            return odd.text(rng, field.name)
        if field.cpp_type == _F.CPPTYPE_ENUM:
            return rng.choice(odd.ENUMS)
        if field.cpp_type in _RANGES:
            return odd.integer(rng, *_RANGES[field.cpp_type])
        return self._scalar(field, rng)

    def _odd_message(self, part: Message, rng: random.Random) -> None:
        part.Clear()
        part.SetInParent()
        match part.DESCRIPTOR.full_name:
            case "google.protobuf.Struct":
                key = rng.choice(("a", "", "\0", "a.b", "x" * 5_000, "é" * 16_000))
                value = rng.choice((rng.choice(odd.DOUBLES), odd.text(rng, "value"), None))
                _add(part, key, value)
            case "google.protobuf.Timestamp":
                _set(part, seconds=rng.choice(odd.SECONDS), nanos=rng.choice(odd.NANOS))
            case "google.protobuf.FieldMask":
                _paths(part, rng.choice(odd.MASKS))

    def _make_many(self, message: Message, rng: random.Random) -> None:
        """A list of a length at a limit, or just beyond."""
        lists = [(part, field) for part, field in _fields(message) if _repeated(field)]
        if lists:
            part, field = rng.choice(lists)
            part.ClearField(field.name)
            self._extend(part, field, rng.choice(odd.COUNTS), rng, left_out=rng.choice((0.4, 1)))

    def _make_huge(self, message: Message, rng: random.Random) -> None:
        """Structs at their limits, many of them where they are in a list; or a text of megabytes."""
        self._make_many(message, rng)
        structs = [getattr(part, field.name) for part, field in _fields(message, 1000) if _is(field, _STRUCT)]
        size = min(rng.choice((4_000, 16_000, 60_000, 66_000)), 3_900_000 // max(1, len(structs)))
        for struct in structs:
            struct.Clear()
            _add(struct, "a", "x" * size)
        texts = [(part, field) for part, field in _fields(message) if field.cpp_type == _F.CPPTYPE_STRING]
        texts = [(part, field) for part, field in texts if not _repeated(field)]
        if not structs and texts:
            part, field = rng.choice(texts)
            setattr(part, field.name, "é" * rng.choice((1_000_000, 2_500_000)))

    def _other_content(self, raw: bytes, rng: random.Random) -> bytes:
        """An earlier request under the same request_id, with something else in it."""
        message: Any = self._rpc.request.FromString(raw)
        request_id = getattr(message, "request_id", "")
        self._make_odd(message, rng)
        if request_id:
            message.request_id = request_id
        serialized: bytes = message.SerializeToString()
        return serialized


def _fields(message: Message, most: int = 3) -> Iterator[tuple[Message, Field]]:
    """Every field of the message and of the messages in it; of a list, of its first `most`."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.message_type is None or field.message_type.full_name in (_STRUCT, _TIME, _MASK):
            continue
        inner = getattr(message, field.name)
        for part in inner[:most] if _repeated(field) else [inner]:
            yield from _fields(part, most)


def _deep(descriptor: Descriptor, rng: random.Random) -> bytes:
    """Bytes that, after a request's own, put a deep Struct into it; none where it takes no Struct."""
    ways = list(_ways(descriptor))
    if not ways:
        return b""
    levels = rng.choice(odd.DEPTHS)
    made = wire.nested_objects(levels) if rng.random() < 0.6 else wire.nested_lists(levels)
    for number in reversed(rng.choice(ways)):
        made = wire.field(number, made)
    return made


def _ways(descriptor: Descriptor) -> Iterator[tuple[int, ...]]:
    """The numbers of the fields on the way to each Struct."""
    for field in descriptor.fields:
        if _is(field, _STRUCT):
            yield (field.number,)
        elif field.message_type is not None and field.message_type.full_name not in (_TIME, _MASK):
            for rest in _ways(field.message_type):
                yield (field.number, *rest)


def _is(field: Field, full_name: str) -> bool:
    return field.message_type is not None and field.message_type.full_name == full_name


def _repeated(field: Field) -> bool:
    return bool(field.is_repeated)


def _presence(field: Field) -> bool:
    """Whether it is marked optional, or a message that may be left out as well as sent."""
    alone = field.containing_oneof is None or len(field.containing_oneof.fields) == 1
    return bool(
        field.has_presence and alone and (field.message_type is None or _is(field, _STRUCT) or _is(field, _TIME))
    )


def _new(name: str) -> str:
    made = new_id()
    return {"username": made[:32], "email": f"{made}@example.com"}.get(name, made)


def _bent(token: str, rng: random.Random) -> str:
    """A page token cut, or with one character changed."""
    if rng.random() < 0.4:
        return token[: rng.randrange(len(token))]
    place = rng.randrange(len(token))
    return token[:place] + rng.choice("ABCxyz019-_=é") + token[place + 1 :]


def _add(struct: Any, key: str, value: float | str | None) -> None:
    if value is None:
        struct.fields[key].null_value = 0
    elif isinstance(value, str):
        struct.fields[key].string_value = value
    else:
        struct.fields[key].number_value = value


def _set(time: Any, *, seconds: int, nanos: int = 0) -> None:
    time.seconds, time.nanos = seconds, nanos


def _paths(mask: Any, paths: Sequence[str]) -> None:
    mask.paths[:] = paths
