"""The first call: create a player, give her coins, read them back, and see an error with its reason.

python -m examples.first_call          while `make up` runs
"""

import os
import uuid
from pathlib import Path

import grpc
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from examples.errors import reason_of

GATEWAY = f"127.0.0.1:{os.environ.get('SAVEPOINT_PORT') or 8080}"
# Calls that find the gateway or a service away are made again; a file, because every language's gRPC reads the same.
RETRY = (Path(__file__).parent / "retry.json").read_text()
TIMEOUT_S = 30


def main() -> None:
    """Makes the calls and prints what they answer."""
    with grpc.insecure_channel(GATEWAY, options=[("grpc.service_config", RETRY)]) as channel:
        profile, wallet = ProfileServiceStub(channel), WalletServiceStub(channel)

        name = f"ada-{uuid.uuid4().hex[:8]}"
        new_player = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        player = profile.CreatePlayer(new_player, timeout=TIMEOUT_S).player
        print(f"{player.username} is player {player.player_id}: mmr {player.mmr}, level {player.level}")

        # Sent twice with one request_id, as after a lost answer: the coins come once, the answer is the same.
        bonus = wallet_pb2.AdjustCoinsRequest(
            request_id=str(uuid.uuid4()), player_id=player.player_id, delta=100, reason="daily_bonus"
        )
        first = wallet.AdjustCoins(bonus, timeout=TIMEOUT_S)
        again = wallet.AdjustCoins(bonus, timeout=TIMEOUT_S)
        assert first == again  # noqa: S101 # what the contract promises

        read = wallet_pb2.GetWalletRequest(player_id=player.player_id)
        print(f"coins: {wallet.GetWallet(read, timeout=TIMEOUT_S).wallet.coins}")

        purchase = wallet_pb2.AdjustCoinsRequest(
            request_id=str(uuid.uuid4()), player_id=player.player_id, delta=-250, reason="sword_of_dawn"
        )
        try:
            wallet.AdjustCoins(purchase, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if reason_of(error) != "INSUFFICIENT_COINS":
                raise
            print(f"no sword yet: {error.details()}")


if __name__ == "__main__":
    main()
