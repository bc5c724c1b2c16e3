"""Calls of the profile service about players."""

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from savepoint.profile.v1 import profile_pb2

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.operations.picks import MOST, groups, some
from bench.seed import Seed

_PROFILES = "/savepoint.profile.v1.ProfileService/"
# What a player takes at least: an id, a name, an address, two times, an etag.
_PLAYER_BYTES = 80


def get_player(seed: Seed, most: int = MOST) -> Operation:
    """A player; whether it is in the cache is for the caller to see to."""
    requests = [
        Request(profile_pb2.GetPlayerRequest(player_id=player_id).SerializeToString(), player_id.encode())
        for player_id in some(seed.player_ids, most)
    ]
    return Operation("GetPlayer", _PROFILES + "GetPlayer", requests)


def batch_get_players(seed: Seed, most: int = MOST, size: int = 50) -> Operation:
    """So many players at once."""
    requests = [
        Request(profile_pb2.BatchGetPlayersRequest(player_ids=player_ids).SerializeToString(), player_ids[-1].encode())
        for player_ids in groups(seed.player_ids, size, most)
    ]
    return Operation("BatchGetPlayers", _PROFILES + "BatchGetPlayers", requests, least_bytes=size * _PLAYER_BYTES)


def update_player(seed: Seed, most: int = MOST) -> Operation:
    """A player's attributes, always to other ones than it has."""
    player_ids = some(seed.player_ids, most)
    requests = []
    for turn in range(2):
        attributes = Struct()
        attributes.update({"title": "champion" if turn else "challenger", "region": "eu", "season": 7 + turn})
        for player_id in player_ids:
            request = profile_pb2.UpdatePlayerRequest(
                player=profile_pb2.Player(player_id=player_id, attributes=attributes),
                update_mask=FieldMask(paths=["attributes"]),
            )
            requests.append(Request(request.SerializeToString(), player_id.encode()))
    return Operation("UpdatePlayer", _PROFILES + "UpdatePlayer", requests)


def batch_apply_progress(seed: Seed, most: int = MOST, size: int = 10) -> Operation:
    """What a match of so many players changes about them."""
    requests = []
    for player_ids in groups(seed.player_ids, size, most):
        changes = [
            profile_pb2.ProgressChange(player_id=player_id, mmr_delta=25 if number < size // 2 else -25, xp_delta=100)
            for number, player_id in enumerate(player_ids)
        ]
        request = profile_pb2.BatchApplyProgressRequest(request_id=ANY_UUID, changes=changes)
        requests.append(Request(request.SerializeToString(), player_ids[-1].encode()))
    return Operation("BatchApplyProgress", _PROFILES + "BatchApplyProgress", requests, least_bytes=size * _PLAYER_BYTES)
