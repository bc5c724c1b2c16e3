"""WalletService: requests checked and turned into the store's terms, its wallets turned into messages."""

from typing import Any

from grpc import aio
from savepoint.profile.v1 import wallet_pb2 as pb
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceServicer

from services.profile.wallets.messages import entry_message, wallet_message
from services.profile.wallets.store import WalletStore
from shared.contract import fields
from shared.contract.errors import FieldInvalid
from shared.stores.requests.key import RequestKey

Context = aio.ServicerContext[Any, Any]

MOST_COINS = 2**63 - 1
LONGEST_REASON = 64
LONGEST_REFERENCE = 128


class WalletServicer(WalletServiceServicer):
    """The RPCs of WalletService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: WalletStore) -> None:
        self._store = store

    async def GetWallet(self, request: pb.GetWalletRequest, context: Context) -> pb.GetWalletResponse:
        wallet = await self._store.get_wallet(fields.uuid(request.player_id, "player_id"))
        return pb.GetWalletResponse(wallet=wallet_message(wallet))

    async def AdjustCoins(self, request: pb.AdjustCoinsRequest, context: Context) -> pb.AdjustCoinsResponse:
        key = RequestKey.of(request)
        if request.delta == 0:
            raise FieldInvalid("delta", "must not be 0")
        adjustment = await self._store.adjust_coins(
            fields.uuid(request.player_id, "player_id"),
            # -2^63 is left out: its negative is no int64, and nobody has so many coins anyway.
            fields.integer(request.delta, "delta", -MOST_COINS, MOST_COINS),
            fields.text(request.reason, "reason", LONGEST_REASON),
            fields.text(request.reference, "reference", LONGEST_REFERENCE, least=0),
            key,
        )
        return pb.AdjustCoinsResponse(wallet=wallet_message(adjustment.wallet), entry=entry_message(adjustment.entry))

    async def TransferCoins(self, request: pb.TransferCoinsRequest, context: Context) -> pb.TransferCoinsResponse:
        key = RequestKey.of(request)
        sender = fields.uuid(request.sender_player_id, "sender_player_id")
        receiver = fields.uuid(request.receiver_player_id, "receiver_player_id")
        if sender == receiver:
            raise FieldInvalid("receiver_player_id", "must be another player than the sender")
        transfer = await self._store.transfer_coins(
            sender,
            receiver,
            fields.integer(request.amount, "amount", 1, MOST_COINS),
            fields.text(request.reason, "reason", LONGEST_REASON),
            fields.text(request.reference, "reference", LONGEST_REFERENCE, least=0),
            key,
        )
        return pb.TransferCoinsResponse(
            transfer_id=str(transfer.transfer_id),
            sender=wallet_message(transfer.sender),
            receiver=wallet_message(transfer.receiver),
        )
