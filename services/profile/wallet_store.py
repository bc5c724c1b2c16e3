"""Coins in PostgreSQL. A method for each RPC, a query of the same name for each method."""

from dataclasses import dataclass
from uuid import UUID

from services.profile.cache import PlayerCache
from services.profile.player import ADJUSTMENT, TRANSFER, Adjustment, Transfer, Wallet
from services.profile.store import QUERIES
from shared.errors import Unmet, player_not_found
from shared.idempotency import RequestKey, Requests
from shared.postgres import Postgres


@dataclass(frozen=True, slots=True)
class _Adjusted:
    answer: str | None
    version: int | None
    have: int | None


@dataclass(frozen=True, slots=True)
class _Transferred:
    answer: str | None
    sender_version: int | None
    receiver_version: int | None
    have: int | None
    receiver_coins: int | None


class WalletStore:
    """Every movement, its ledger entries and its request record are one statement: all of it happens, or none."""

    def __init__(self, database: Postgres, requests: Requests, cache: PlayerCache) -> None:
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
        """Raises NotFound, Unmet, RequestIdReused."""
        params = {
            "player_id": player_id,
            "delta": delta,
            "reason": reason,
            "reference": reference,
            **key.params(),
        }
        version: int | None = None

        async def effect() -> Adjustment:
            nonlocal version
            query = QUERIES["adjust_coins"]
            row = (await self._database.fetch(query, params, _Adjusted, repeatable=True))[0]
            version = row.version
            if row.answer is None:
                if row.have is None:
                    raise player_not_found(player_id)
                raise _insufficient(player_id, row.have, -delta) if delta < 0 else _limit(player_id)
            return ADJUSTMENT.validate_json(row.answer)

        async with self._cache.writing([player_id]) as written:
            answer = await self._requests.once(key, effect, ADJUSTMENT.validate_json)
            if version is not None:
                written(player_id, version, None)
        return answer

    async def transfer_coins(
        self, sender_id: UUID, receiver_id: UUID, amount: int, reason: str, key: RequestKey
    ) -> Transfer:
        """Raises NotFound, Unmet, RequestIdReused."""
        params = {
            "sender_id": sender_id,
            "receiver_id": receiver_id,
            "amount": amount,
            "reason": reason,
            **key.params(),
        }
        versions: tuple[int | None, int | None] = (None, None)

        async def effect() -> Transfer:
            nonlocal versions
            query = QUERIES["transfer_coins"]
            row = (await self._database.fetch(query, params, _Transferred, repeatable=True))[0]
            versions = (row.sender_version, row.receiver_version)
            if row.answer is None:
                if row.have is None:
                    raise player_not_found(sender_id)
                if row.receiver_coins is None:
                    raise player_not_found(receiver_id)
                raise _insufficient(sender_id, row.have, amount) if row.have < amount else _limit(receiver_id)
            return TRANSFER.validate_json(row.answer)

        async with self._cache.writing([sender_id, receiver_id]) as written:
            answer = await self._requests.once(key, effect, TRANSFER.validate_json)
            for player_id, version in zip((sender_id, receiver_id), versions, strict=True):
                if version is not None:
                    written(player_id, version, None)
        return answer


def _insufficient(player_id: UUID, have: int, need: int) -> Unmet:
    message = f"the player has {have} coins to spend, and {need} are needed"
    return Unmet("INSUFFICIENT_COINS", message, player_id=player_id, have=have, need=need)


def _limit(player_id: UUID) -> Unmet:
    return Unmet("COINS_LIMIT", "the player would own more than 9223372036854775807 coins", player_id=player_id)
