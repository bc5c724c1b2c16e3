"""What WalletService asks of whatever keeps the coins: a method for each RPC."""

from typing import Protocol
from uuid import UUID

from services.profile.wallets.types import Adjustment, Transfer, Wallet
from shared.stores.requests.key import RequestKey


class WalletStore(Protocol):
    """Coins and their ledger. A movement, its ledger entries and its request record happen together or not at all; the
    sum of a player's entries is always what the player owns, and their ids are in the order of the movements.

    A write takes effect once under its key: the same request again gets the same answer, another one raises
    RequestIdReused. Every method may also raise StoreUnavailable, Overloaded, DeadlineReached."""

    async def get_wallet(self, player_id: UUID) -> Wallet:
        """As it is now, never an older copy: whoever asks for a wallet is about to spend. Raises NotFound."""
        ...

    async def adjust_coins(
        self, player_id: UUID, delta: int, reason: str, reference: str, key: RequestKey
    ) -> Adjustment:
        """Gives or takes `delta` coins. Raises NotFound, PreconditionFailed where there are too few to take, or the
        player would own more than 2^63-1, RequestIdReused."""
        ...

    async def transfer_coins(
        self, sender_id: UUID, receiver_id: UUID, amount: int, reason: str, reference: str, key: RequestKey
    ) -> Transfer:
        """Moves `amount` coins from one player to another. Raises NotFound, PreconditionFailed likewise,
        RequestIdReused."""
        ...
