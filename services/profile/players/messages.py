"""Players as protobuf messages."""

from savepoint.profile.v1 import profile_pb2

from services.profile.player import Player
from shared.contract import json_struct


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
