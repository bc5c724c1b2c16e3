"""What the profile service knows: players, their wallets, the ledger's entries."""

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Wallet:
    """A player's coins; `coins` includes the held ones."""

    player_id: UUID
    coins: int
    held_coins: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one player's coins."""

    entry_id: UUID
    player_id: UUID
    delta: int
    coins_after: int
    kind: str
    reason: str
    reference: str
    request_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What AdjustCoins did."""

    wallet: Wallet
    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class Transfer:
    """What TransferCoins did."""

    transfer_id: UUID
    sender: Wallet
    receiver: Wallet


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


# The JSON of these is what the cache and the request records hold.
PLAYER = TypeAdapter(Player)
PLAYERS = TypeAdapter(list[Player])
ADJUSTMENT = TypeAdapter(Adjustment)
TRANSFER = TypeAdapter(Transfer)
