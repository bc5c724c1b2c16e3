"""Wallets and ledger entries as protobuf messages."""

from savepoint.profile.v1 import wallet_pb2

from services.profile.wallets.types import LedgerEntry, Wallet
from shared.contract.times import timestamp


def wallet_message(wallet: Wallet) -> wallet_pb2.Wallet:
    """The contract's Wallet."""
    return wallet_pb2.Wallet(
        player_id=str(wallet.player_id),
        coins=wallet.coins,
        held_coins=wallet.held_coins,
        available_coins=wallet.coins - wallet.held_coins,
    )


def entry_message(entry: LedgerEntry) -> wallet_pb2.LedgerEntry:
    """The contract's LedgerEntry."""
    return wallet_pb2.LedgerEntry(
        entry_id=str(entry.entry_id),
        player_id=str(entry.player_id),
        delta=entry.delta,
        coins_after=entry.coins_after,
        kind=f"LEDGER_ENTRY_KIND_{entry.kind}",
        reason=entry.reason,
        reference=entry.reference,
        request_id=str(entry.request_id),
        created_at=timestamp(entry.created_at),
        transfer_id=str(entry.transfer_id) if entry.transfer_id else None,
        counterparty_player_id=str(entry.counterparty_player_id) if entry.counterparty_player_id else None,
    )
