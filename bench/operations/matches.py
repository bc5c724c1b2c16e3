"""Calls of the inventory service about matches."""

import random

from google.protobuf.timestamp_pb2 import Timestamp
from savepoint.match.v1 import match_pb2

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.operations.picks import MOST, groups
from bench.seed import Seed

_MATCHES = "/savepoint.match.v1.MatchService/"
_STARTED_S, _LASTED_S = 1_760_000_000, 1800


def record_match(seed: Seed, most: int = MOST, size: int = 10) -> Operation:
    """A match of so many players; the service gives it an id."""
    requests = []
    for number, player_ids in enumerate(groups(seed.player_ids, size, most)):
        match = match_pb2.Match(
            game_mode="ranked",
            started_at=Timestamp(seconds=_STARTED_S + number),
            ended_at=Timestamp(seconds=_STARTED_S + number + _LASTED_S),
            winner_team=1,
            players=[_player(player_id, 1 + place % 2) for place, player_id in enumerate(player_ids)],
        )
        request = match_pb2.RecordMatchRequest(request_id=ANY_UUID, match=match)
        requests.append(Request(request.SerializeToString(), player_ids[-1].encode()))
    return Operation("RecordMatch", _MATCHES + "RecordMatch", requests)


def _player(player_id: str, team: int) -> match_pb2.MatchPlayer:
    return match_pb2.MatchPlayer(
        player_id=player_id,
        team=team,
        score=random.randrange(30_000),
        kills=random.randrange(30),
        deaths=random.randrange(15),
        mmr_change=25 if team == 1 else -25,
        xp_gained=random.randrange(1_000),
    )
