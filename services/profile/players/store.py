"""What ProfileService asks of whatever keeps the players: a method for each RPC."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from services.profile.player import Player
from services.profile.players.types import NewPlayer, PlayerChange, PlayerOrder, PlayerPosition, Progress
from shared.stores.requests.key import RequestKey


class PlayerStore(Protocol):
    """Everything about players but their coins, which a WalletStore moves.

    A write that brings a key takes effect once under it: the same request again gets the same answer, another one
    raises RequestIdReused. Every method may also raise StoreUnavailable, Overloaded, DeadlineReached."""

    async def create_player(self, new: NewPlayer, key: RequestKey | None) -> Player:
        """Raises AlreadyExists where its id, name or address is taken; with a key, RequestIdReused."""
        ...

    async def get_player(self, player_id: str) -> bytes:
        """The player's message, as every write left it that was answered before. Raises NotFound."""
        ...

    async def batch_get_players(self, player_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The messages of those that exist, by id, likewise."""
        ...

    async def lookup_player(self, *, username: str | None = None, email: str | None = None) -> Player:
        """Finds a player by one of the two, the address whatever its case. Raises NotFound."""
        ...

    async def update_player(self, change: PlayerChange) -> Player:
        """The player after it. Raises NotFound, EtagMismatch where it is not the version that the caller saw,
        AlreadyExists where another player has the name or the address."""
        ...

    async def batch_apply_progress(self, changes: Sequence[Progress], key: RequestKey) -> list[Player]:
        """All or nothing; the players after it in the order of the changes, without their attributes. Raises NotFound
        for the first player who is not there, PreconditionFailed, RequestIdReused."""
        ...

    async def record_login(self, player_id: UUID) -> Player:
        """Sets the time of the last login to now; the player after it. Raises NotFound."""
        ...

    async def list_players(
        self, order: PlayerOrder, min_mmr: int, max_mmr: int, after: PlayerPosition | None, limit: int
    ) -> list[Player]:
        """Up to `limit` players with a rating from `min_mmr` to `max_mmr`, from the top, or after a position."""
        ...

    async def delete_player(self, player_id: UUID, version: int | None) -> None:
        """Deletes the player with wallet and ledger. Raises NotFound, EtagMismatch."""
        ...
