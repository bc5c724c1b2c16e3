"""Coins in a SQL database. A method for each RPC, a query of the same name for each method."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from services.profile.player_cache.cache import PlayerCache
from services.profile.wallets.types import KEPT_ADJUSTMENT, KEPT_TRANSFER, Adjustment, Transfer, Wallet
from shared.contract.errors import player_not_found
from shared.contract.ids import new_id
from shared.stores.postgres import Postgres, queries
from shared.stores.requests.effects import Effects, Written
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords

QUERIES = queries.load(
    Path(__file__).with_name("queries.sql"), PIECES | queries.load_pieces(Path(__file__).with_name("pieces.sql"))
)


class SqlWalletStore:
    """A WalletStore. Every movement, its ledger entries and its request record are one statement."""

    def __init__(self, database: Postgres, requests: RequestRecords, cache: PlayerCache) -> None:
        self._database = database
        self._requests = requests
        self._cache = cache
        self._queries = QUERIES.of(database.dialect)
        self._adjustments = Effects(database, self._queries["adjust_coins"], KEPT_ADJUSTMENT, self._announced)
        self._transfers = Effects(database, self._queries["transfer_coins"], KEPT_TRANSFER, self._announced)

    async def get_wallet(self, player_id: UUID) -> Wallet:
        """From the database itself: whoever asks for a wallet is about to spend. Raises NotFound."""
        rows = await self._database.fetch(self._queries["get_wallet"], {"player_id": player_id}, Wallet)
        if not rows:
            raise player_not_found(player_id)
        return rows[0]

    async def adjust_coins(
        self, player_id: UUID, delta: int, reason: str, reference: str, key: RequestKey
    ) -> Adjustment:
        """Raises NotFound, PreconditionFailed, RequestIdReused."""
        fields = {
            "player_id": player_id,
            "delta": delta,
            "reason": reason,
            "reference": reference,
            "drawn_id": new_id(),
        }
        return await self._requests.once(key, lambda: self._adjustments.do(key, fields, [player_id]), KEPT_ADJUSTMENT)

    async def transfer_coins(
        self, sender_id: UUID, receiver_id: UUID, amount: int, reason: str, reference: str, key: RequestKey
    ) -> Transfer:
        """Raises NotFound, PreconditionFailed, RequestIdReused."""
        fields = {
            "sender_id": sender_id,
            "receiver_id": receiver_id,
            "amount": amount,
            "reason": reason,
            "reference": reference,
            "transfer_id": new_id(),
            "sender_drawn_id": new_id(),
            "receiver_drawn_id": new_id(),
        }
        return await self._requests.once(
            key, lambda: self._transfers.do(key, fields, [sender_id, receiver_id]), KEPT_TRANSFER
        )

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._adjustments.close()
        await self._transfers.close()

    @asynccontextmanager
    async def _announced(self, player_ids: Sequence[UUID]) -> AsyncIterator[Written]:
        """Keeps the cache right while a statement writes these players' coins."""
        async with self._cache.writing(player_ids) as written:
            # Nobody here knows all of the player, so the next reader loads it.
            yield lambda player_id, version: written(player_id, version, None)
