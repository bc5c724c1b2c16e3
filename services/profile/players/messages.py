"""Players as protobuf messages."""

from savepoint.profile.v1 import profile_pb2

from services.profile.player import Player
from shared.contract import json_struct
from shared.contract.renumbered import renumbered

# Numbers of CreatePlayerRequest's fields, and those they had in 0.1.
_NUMBERS_OF_0_1 = {1: 5, 2: 1, 3: 2, 4: 3, 5: 4}


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


def content_of_0_1(request: profile_pb2.CreatePlayerRequest) -> bytes:
    """What the fingerprint of a CreatePlayer is made of: its bytes as 0.1 numbered them."""
    return renumbered(request.SerializeToString(deterministic=True), _NUMBERS_OF_0_1)
