"""What ProfileService changes of players."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from pydantic import TypeAdapter

from services.profile.player import PLAYER, Player
from shared.stores.postgres import Params
from shared.stores.requests.kept import KeptAnswer


@dataclass(frozen=True, slots=True)
class NewPlayer:
    """A player to be made."""

    player_id: UUID
    username: str
    email: str
    attributes: str

    def params(self) -> Params:
        """As parameters of a query."""
        return {
            "player_id": self.player_id,
            "username": self.username,
            "email": self.email,
            "attributes": self.attributes,
        }

    def unique(self) -> Sequence[Hashable]:
        """What no two players have in common."""
        return ("username", self.username), ("email", self.email.lower()), self.player_id


@dataclass(frozen=True, slots=True)
class PlayerRow:
    """What a statement for many returns of the request with this number: the player's columns, or nulls."""

    number: int
    player_id: UUID | None
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

    def player(self) -> Player | None:
        """The player, if there is one."""
        if self.player_id is None:
            return None
        return Player(
            self.player_id,
            self.username,
            self.email,
            self.mmr,
            self.level,
            self.xp,
            self.coins,
            self.held_coins,
            self.attributes,
            self.created_at,
            self.last_login_at,
            self.version,
        )


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

    def params(self) -> Params:
        """As parameters of a query."""
        return {
            "player_id": self.player_id,
            "version": self.version,
            "username": self.username,
            "email": self.email,
            "attributes": self.attributes,
            "mmr": self.mmr,
            "level": self.level,
            "xp": self.xp,
        }


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


class PlayerOrder(Enum):
    """How ListPlayers sorts, each from the top: by which field of a player, and what lies above its first page."""

    MMR = ("mmr", 2**31 - 1)
    LEVEL = ("level", 2**31 - 1)
    CREATED = ("created_at", datetime.max.replace(tzinfo=UTC))

    @property
    def top(self) -> int | datetime:
        """What no player is above of."""
        top: int | datetime = self.value[1]
        return top

    def position(self, player: Player) -> PlayerPosition:
        """Where a player stands in this order."""
        return PlayerPosition(getattr(player, self.value[0]), player.player_id)

    def holds(self, position: PlayerPosition) -> bool:
        """Whether `position`, read from a page token, is one of this order."""
        if isinstance(self.top, datetime):
            return isinstance(position.value, datetime) and position.value.tzinfo is not None
        return isinstance(position.value, int) and 0 <= position.value <= self.top


# The answers of CreatePlayer and of BatchApplyProgress, as the request records keep them.
KEPT_PLAYER = KeptAnswer(PLAYER)
KEPT_PLAYERS = KeptAnswer(TypeAdapter(list[Player]))
# The JSON of this is what a page token holds.
POSITION = TypeAdapter(PlayerPosition)
