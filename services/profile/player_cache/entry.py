"""One player's entry in the cache: its key, its payload, how long it lives.

A payload is the player's message as bytes, so that what is read goes into an answer as it is. The cache does not know
how one is made: it is handed an `Encode`.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from services.profile.player import PLAYER, values

# An entry is loaded anew in its last twentieth, and lives for 90 to 100 % of the time to live: entries that were made
# together must not all end together.
_EARLY = 0.05
_JITTER = 0.1
# Every payload begins with the tag of the message's first field, the player_id.
_FIRST_TAG = b"\x0a"


class Loaded(NamedTuple):
    """A player as a load found one."""

    payload: bytes
    version: int


# Payloads by player_id. Readers name players by text, as str(UUID) has it: that is what a request brings and what the
# key needs.
Players = dict[str, bytes]
# Reads from the database those of the players that exist.
Load = Callable[[Sequence[str]], Awaitable[Mapping[str, Loaded]]]
# Makes a payload from the values of a player's fields in their order; the same bytes each time.
Encode = Callable[[Iterable[Any]], bytes]


def entry_key(player_id: UUID | str) -> str:
    """Where a player is kept. The number goes up when a payload changes so that an earlier release would read it
    wrongly."""
    return f"player:1:{player_id}"


def readable(payload: bytes, encode: Encode) -> bytes | None:
    """The payload as this release has it; None for one that cannot be read. Release 0.2 keeps JSON, and may run
    beside this one: it takes our payload for one that cannot be read."""
    if payload.startswith(_FIRST_TAG):
        return payload
    try:
        return encode(values(PLAYER.validate_json(payload)))
    except ValidationError:
        return None


class EntryLife:
    """How long entries live, given their time to live in seconds."""

    def __init__(self, ttl_s: int) -> None:
        self._ttl_ms = ttl_s * 1000
        self.early_ms = int(self._ttl_ms * _EARLY)

    def draw_ms(self) -> int:
        """The life of one new entry, in milliseconds."""
        return int(self._ttl_ms * random.uniform(1 - _JITTER, 1))
