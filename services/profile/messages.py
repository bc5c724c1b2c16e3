"""Players, wallets and ledger entries as protobuf messages."""

from savepoint.profile.v1 import profile_pb2, wallet_pb2

from services.profile.player import LedgerEntry, Player, Wallet
from shared import json_struct


def player_message(player: Player, *, with_attributes: bool = True) -> profile_pb2.Player:
    """The contract's Player; a batch's answer may leave attributes out."""
    return profile_pb2.Player(
        player_id=str(player.player_id),
        username=player.username,
        email=player.email,
        mmr=player.mmr,
        level=player.level,
        xp=player.xp,
        coins=player.coins,
        held_coins=player.held_coins,
        attributes=json_struct.from_json(player.attributes) if with_attributes else None,
        created_at=player.created_at,
        last_login_at=player.last_login_at,
        etag=str(player.version),
    )


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
        created_at=entry.created_at,
    )
