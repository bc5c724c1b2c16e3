"""A player as the contract's message, and as the bytes of one.

The cache keeps these bytes, and answers are put together from them, so most reads make no message at all.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from savepoint.profile.v1 import profile_pb2

from services.profile.player import Player, values
from shared.contract import json_struct
from shared.contract.times import timestamp


def player_message(player: Player, *, with_attributes: bool = True) -> profile_pb2.Player:
    """The contract's Player; a batch's answer may leave attributes out."""
    message = _message(*values(player))
    if not with_attributes:
        message.ClearField("attributes")
    return message


def encoded(values: Iterable[Any]) -> bytes:
    """The contract's Player as bytes, from the values of a player's fields in their order. The same values always give
    the same bytes."""
    return _message(*values).SerializeToString(deterministic=True)


def _message(
    player_id: UUID | str,
    username: str,
    email: str,
    mmr: int,
    level: int,
    xp: int,
    coins: int,
    held_coins: int,
    attributes: str,
    created_at: datetime,
    last_login_at: datetime | None,
    version: int,
) -> profile_pb2.Player:
    return profile_pb2.Player(
        player_id=str(player_id),
        username=username,
        email=email,
        mmr=mmr,
        level=level,
        xp=xp,
        coins=coins,
        held_coins=held_coins,
        attributes=json_struct.from_json(attributes),
        created_at=timestamp(created_at),
        last_login_at=timestamp(last_login_at) if last_login_at else None,
        etag=str(version),
    )
