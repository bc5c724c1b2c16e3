"""Coins in PostgreSQL. A method for each RPC, a query of the same name for each method."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.profile.player_cache.cache import PlayerCache
from services.profile.wallets.types import KEPT_ADJUSTMENT, KEPT_TRANSFER, Adjustment, Transfer, Wallet
from shared.contract.errors import player_not_found
from shared.stores.postgres import Postgres, queries
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords
from shared.stores.requests.refusal import Refusal, outcome

QUERIES = queries.load(Path(__file__).with_name("queries.sql"), PIECES)


@dataclass(frozen=True, slots=True)
class _Adjusted:
    answer: str
    version: int | None


@dataclass(frozen=True, slots=True)
class _Transferred:
    answer: str
    sender_version: int | None
    receiver_version: int | None


class WalletStore:
    """Every movement, its ledger entries and its request record are one statement: all of it happens, or none."""

    def __init__(self, database: Postgres, requests: RequestRecords, cache: PlayerCache) -> None:
        self._database = database
        self._requests = requests
        self._cache = cache

    async def get_wallet(self, player_id: UUID) -> Wallet:
        """From the database itself: whoever asks for a wallet is about to spend. Raises NotFound."""
        rows = await self._database.fetch(QUERIES["get_wallet"], {"player_id": player_id}, Wallet)
        if not rows:
            raise player_not_found(player_id)
        return rows[0]

    async def adjust_coins(
        self, player_id: UUID, delta: int, reason: str, reference: str, key: RequestKey
    ) -> Adjustment:
        """Raises NotFound, PreconditionFailed, RequestIdReused."""
        params = {
            "player_id": player_id,
            "delta": delta,
            "reason": reason,
            "reference": reference,
            **key.params(),
            **KEPT_ADJUSTMENT.params(),
        }
        version: int | None = None

        async def effect() -> Adjustment | Refusal | None:
            nonlocal version
            rows = await self._database.fetch(QUERIES["adjust_coins"], params, _Adjusted, repeatable=True)
            if not rows:
                return None
            version = rows[0].version
            return outcome(rows[0].answer, KEPT_ADJUSTMENT.read)

        async with self._cache.writing([player_id]) as written:
            answer = await self._requests.once(key, effect, KEPT_ADJUSTMENT)
            if version is not None:
                written(player_id, version, None)
        return answer

    async def transfer_coins(
        self, sender_id: UUID, receiver_id: UUID, amount: int, reason: str, reference: str, key: RequestKey
    ) -> Transfer:
        """Raises NotFound, PreconditionFailed, RequestIdReused."""
        params = {
            "sender_id": sender_id,
            "receiver_id": receiver_id,
            "amount": amount,
            "reason": reason,
            "reference": reference,
            **key.params(),
            **KEPT_TRANSFER.params(),
        }
        versions: tuple[int | None, int | None] = (None, None)

        async def effect() -> Transfer | Refusal | None:
            nonlocal versions
            rows = await self._database.fetch(QUERIES["transfer_coins"], params, _Transferred, repeatable=True)
            if not rows:
                return None
            versions = (rows[0].sender_version, rows[0].receiver_version)
            return outcome(rows[0].answer, KEPT_TRANSFER.read)

        async with self._cache.writing([sender_id, receiver_id]) as written:
            answer = await self._requests.once(key, effect, KEPT_TRANSFER)
            for player_id, version in zip((sender_id, receiver_id), versions, strict=True):
                if version is not None:
                    written(player_id, version, None)
        return answer
