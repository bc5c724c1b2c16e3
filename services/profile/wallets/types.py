"""What the profile service knows of coins: wallets and the ledger's entries."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from shared.stores.requests.kept import KeptAnswer


@dataclass(frozen=True, slots=True)
class Wallet:
    """A player's coins; `coins` includes the held ones."""

    player_id: UUID
    coins: int
    held_coins: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one player's coins. A transfer's two have its `transfer_id` and name each other's player; in the
    records of 0.1 nothing is said of either."""

    entry_id: UUID
    player_id: UUID
    delta: int
    coins_after: int
    kind: str
    reason: str
    reference: str
    request_id: UUID
    created_at: datetime
    transfer_id: UUID | None = None
    counterparty_player_id: UUID | None = None


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


# The answers of AdjustCoins and TransferCoins, as the request records keep them.
KEPT_ADJUSTMENT = KeptAnswer(TypeAdapter(Adjustment))
KEPT_TRANSFER = KeptAnswer(TypeAdapter(Transfer))
