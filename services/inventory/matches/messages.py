"""Matches as protobuf messages."""

from savepoint.match.v1 import match_pb2

from services.inventory.matches.types import Match, MatchPlayer
from shared.contract import json_struct
from shared.contract.times import timestamp


def match_message(match: Match) -> match_pb2.Match:
    """The contract's Match."""
    return match_pb2.Match(
        match_id=str(match.match_id),
        game_mode=match.game_mode,
        state=match_pb2.MATCH_STATE_FINISHED if match.ended_at else match_pb2.MATCH_STATE_IN_PROGRESS,
        started_at=timestamp(match.started_at),
        ended_at=timestamp(match.ended_at) if match.ended_at else None,
        winner_team=match.winner_team,
        players=[_match_player_message(player) for player in match.players],
        metadata=json_struct.from_json(match.metadata),
    )


def _match_player_message(player: MatchPlayer) -> match_pb2.MatchPlayer:
    return match_pb2.MatchPlayer(
        player_id=str(player.player_id),
        team=player.team,
        score=player.score,
        kills=player.kills,
        deaths=player.deaths,
        mmr_change=player.mmr_change,
        xp_gained=player.xp_gained,
    )
