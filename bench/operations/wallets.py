"""Calls of the profile service about coins."""

from savepoint.profile.v1 import wallet_pb2

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.operations.picks import MOST, groups, some
from bench.seed import Seed

_WALLETS = "/savepoint.profile.v1.WalletService/"
WRITES_SQL = "AdjustCoins"  # the one of the mixture whose every call takes a connection to PostgreSQL


def adjust_coins(seed: Seed, most: int = MOST) -> Operation:
    """A coin more for a player, each call under a request id of its own, which the answer repeats."""
    requests = [
        Request(
            wallet_pb2.AdjustCoinsRequest(
                request_id=ANY_UUID, player_id=player_id, delta=1, reason="bench"
            ).SerializeToString(),
            ANY_UUID.encode(),
        )
        for player_id in some(seed.player_ids, most)
    ]
    return Operation(WRITES_SQL, _WALLETS + "AdjustCoins", requests)


def transfer_coins(seed: Seed, most: int = MOST) -> Operation:
    """A coin from one player to another."""
    requests = []
    for sender, receiver in groups(seed.player_ids, 2, 2 * most):
        request = wallet_pb2.TransferCoinsRequest(
            request_id=ANY_UUID, sender_player_id=sender, receiver_player_id=receiver, amount=1, reason="bench"
        )
        requests.append(Request(request.SerializeToString(), receiver.encode()))
    return Operation("TransferCoins", _WALLETS + "TransferCoins", requests)
