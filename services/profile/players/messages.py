"""ProfileService's messages; services/profile/messages.py has the player itself."""

from collections.abc import Iterable, Sequence

from savepoint.profile.v1 import profile_pb2

from shared.contract.renumbered import renumbered
from shared.contract.wire import submessage

# Numbers of CreatePlayerRequest's fields, and those they had in 0.1.
_NUMBERS_OF_0_1 = {1: 5, 2: 1, 3: 2, 4: 3, 5: 4}


def get_player_response(player: bytes) -> bytes:
    """A GetPlayerResponse with this player's message."""
    return submessage(1, player)


def batch_get_players_response(players: Iterable[bytes], missing: Sequence[str], unread: Sequence[str]) -> bytes:
    """A BatchGetPlayersResponse with these players' messages."""
    ids = (
        b""
        if not (missing or unread)
        else (
            profile_pb2.BatchGetPlayersResponse(
                missing_player_ids=missing, unread_player_ids=unread
            ).SerializeToString()
        )
    )
    return b"".join([submessage(1, player) for player in players]) + ids


def content_of_0_1(request: profile_pb2.CreatePlayerRequest) -> bytes:
    """What the fingerprint of a CreatePlayer is made of: its bytes as 0.1 numbered them."""
    return renumbered(request.SerializeToString(deterministic=True), _NUMBERS_OF_0_1)
