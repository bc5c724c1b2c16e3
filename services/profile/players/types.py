"""What ProfileService changes of players."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from services.profile.player import PLAYER, Player
from shared.stores.requests.kept import KeptAnswer


@dataclass(frozen=True, slots=True)
class NewPlayer:
    """A player to be made; `player_id` None lets the store choose."""

    player_id: UUID | None
    username: str
    email: str
    attributes: str


@dataclass(frozen=True, slots=True)
class PlayerChange:
    """What UpdatePlayer sets: None leaves a field as it is. `version` is what the caller saw, None for any."""

    player_id: UUID
    version: int | None
    username: str | None
    email: str | None
    attributes: str | None
    mmr: int | None
    level: int | None
    xp: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What one player earned."""

    player_id: UUID
    mmr_delta: int
    xp_delta: int


@dataclass(frozen=True, slots=True)
class PlayerPosition:
    """Where a page of players ends: the last one's id, and its value in the list's order (mmr, level or created_at)."""

    value: int | datetime
    player_id: UUID


# The answers of CreatePlayer and of BatchApplyProgress, as the request records keep them.
KEPT_PLAYER = KeptAnswer(PLAYER)
KEPT_PLAYERS = KeptAnswer(TypeAdapter(list[Player]))
# The JSON of this is what a page token holds.
POSITION = TypeAdapter(PlayerPosition)
