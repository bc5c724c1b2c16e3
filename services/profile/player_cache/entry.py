"""One player's entry in the cache: its key, its payload, how long it lives."""

import random
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from pydantic import ValidationError

from services.profile.player import PLAYER, Player

# An entry is loaded anew in its last twentieth, and lives for 90 to 100 % of the time to live: entries that were made
# together must not all end together.
_EARLY = 0.05
_JITTER = 0.1

Players = dict[UUID, Player]
# Reads from the database those of the players that exist.
Load = Callable[[Sequence[UUID]], Awaitable[Players]]


def entry_key(player_id: UUID) -> str:
    """Where a player is kept. The number goes up when Player changes its shape."""
    return f"player:1:{player_id}"


def payload_of(player: Player | None) -> bytes:
    """What an entry holds of a player; nothing for none."""
    return PLAYER.dump_json(player) if player else b""


def player_in(payload: bytes) -> Player | None:
    """The player that a payload holds; None for one that cannot be read."""
    try:
        return PLAYER.validate_json(payload)
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
