"""A player, as all areas of the profile service use it."""

from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Player:
    """One player. `attributes` is JSON text; a higher `version` is the later one."""

    player_id: UUID
    username: str
    email: str
    mmr: int
    level: int
    xp: int
    coins: int
    held_coins: int
    attributes: str
    created_at: datetime
    last_login_at: datetime | None
    version: int


# A player's fields in their order, in which queries return them as columns.
values = attrgetter(*(field.name for field in fields(Player)))
# The JSON of this is what the request records hold, and what the cache of release 0.2 does
# (shared/stores/requests/kept.py says what a change of Player needs).
PLAYER = TypeAdapter(Player)
