"""MatchService: requests checked and turned into the store's terms, its matches turned into messages."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.match.v1 import match_pb2 as pb
from savepoint.match.v1.match_pb2_grpc import MatchServiceServicer

from services.inventory.matches.messages import match_message
from services.inventory.matches.store import MatchStore
from services.inventory.matches.types import (
    MOST_PLAYERS,
    POSITION,
    Match,
    MatchPlayer,
    MatchPosition,
    MatchResult,
    PlayerResult,
    check_end,
    check_winner,
    in_order,
)
from shared.contract import fields, json_struct
from shared.contract.fields import INT32_MAX, INT64_MAX
from shared.contract.ids import new_id
from shared.contract.paging import Pages, fitting
from shared.stores.requests.key import RequestKey

Context = aio.ServicerContext[Any, Any]

LONGEST_GAME_MODE = 32
METADATA_BYTES = 64 * 1024


class MatchServicer(MatchServiceServicer):
    """The RPCs of MatchService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: MatchStore) -> None:
        self._store = store

    async def StartMatch(self, request: pb.StartMatchRequest, context: Context) -> pb.StartMatchResponse:
        key = RequestKey.of(request)
        participants = _participants(request.participants, "participants")
        match = Match(
            match_id=new_id(),
            game_mode=fields.text(request.game_mode, "game_mode", LONGEST_GAME_MODE),
            started_at=_time(request, "started_at") or datetime.now(UTC),
            ended_at=None,
            winner_team=None,
            players=in_order(participants),
            metadata=_metadata(request.metadata, "metadata"),
        )
        return pb.StartMatchResponse(match=match_message(await self._store.start_match(match, key)))

    async def FinishMatch(self, request: pb.FinishMatchRequest, context: Context) -> pb.FinishMatchResponse:
        key = RequestKey.of(request)
        match_id = fields.uuid(request.match_id, "match_id")
        result = MatchResult(
            ended_at=_time(request, "ended_at"),
            winner_team=_winner_team(request, "winner_team"),
            results=_results(request.results, "results"),
        )
        return pb.FinishMatchResponse(match=match_message(await self._store.finish_match(match_id, result, key)))

    async def RecordMatch(self, request: pb.RecordMatchRequest, context: Context) -> pb.RecordMatchResponse:
        key = RequestKey.of(request)
        fields.required(request, "match")
        match = await self._store.record_match(_recorded(request.match), key)
        return pb.RecordMatchResponse(match=match_message(match))

    async def GetMatch(self, request: pb.GetMatchRequest, context: Context) -> pb.GetMatchResponse:
        match = await self._store.get_match(fields.uuid(request.match_id, "match_id"))
        return pb.GetMatchResponse(match=match_message(match))

    async def ListMatches(self, request: pb.ListMatchesRequest, context: Context) -> pb.ListMatchesResponse:
        player_id = fields.uuid(request.player_id, "player_id") if request.HasField("player_id") else None
        game_mode = (
            fields.text(request.game_mode, "game_mode", LONGEST_GAME_MODE) if request.HasField("game_mode") else None
        )
        size = fields.page_size(request.page_size)
        pages = Pages("ListMatches", player_id, game_mode)
        page = await self._store.list_matches(player_id, game_mode, pages.key(request.page_token, POSITION), size)
        response = pb.ListMatchesResponse(matches=fitting(map(match_message, page.items)))
        shown = len(response.matches)
        if page.more or shown < len(page.items):
            last = page.items[shown - 1]
            response.next_page_token = pages.token(MatchPosition(last.started_at, last.match_id), POSITION)
        return response


def _recorded(match: pb.Match) -> Match:
    """The match as it will be kept. `state` is not read: what is recorded is finished."""
    started_at, ended_at = _time(match, "started_at", "match."), _time(match, "ended_at", "match.")
    if started_at is None:
        started_at = ended_at or datetime.now(UTC)
    if ended_at is None:
        ended_at = started_at
    check_end(ended_at, started_at, "match.ended_at")
    players = _players(match.players, "match.players")
    winner_team = _winner_team(match, "match.winner_team")
    check_winner(winner_team, players, "match.winner_team")
    return Match(
        match_id=fields.uuid(match.match_id, "match.match_id") if match.HasField("match_id") else new_id(),
        game_mode=fields.text(match.game_mode, "match.game_mode", LONGEST_GAME_MODE),
        started_at=started_at,
        ended_at=ended_at,
        winner_team=winner_team,
        players=in_order(players),
        metadata=_metadata(match.metadata, "match.metadata"),
    )


def _participants(participants: Sequence[pb.MatchParticipant], field: str) -> list[MatchPlayer]:
    fields.count(participants, field, MOST_PLAYERS)
    checked = [
        MatchPlayer(
            fields.uuid(participant.player_id, f"{field}[{place}].player_id"),
            fields.integer(participant.team, f"{field}[{place}].team", 0, INT32_MAX),
        )
        for place, participant in enumerate(participants)
    ]
    fields.unique([player.player_id for player in checked], field, "player_id")
    return checked


def _results(results: Sequence[pb.PlayerResult], field: str) -> list[PlayerResult]:
    fields.count(results, field, MOST_PLAYERS, least=0)
    checked = [
        PlayerResult(_player(result, f"{field}[{place}]."), keeps_team=not result.HasField("team"))
        for place, result in enumerate(results)
    ]
    fields.unique([result.player.player_id for result in checked], field, "player_id")
    return checked


def _players(players: Sequence[pb.MatchPlayer], field: str) -> list[MatchPlayer]:
    fields.count(players, field, MOST_PLAYERS)
    checked = [_player(player, f"{field}[{place}].") for place, player in enumerate(players)]
    fields.unique([player.player_id for player in checked], field, "player_id")
    return checked


def _player(player: pb.MatchPlayer | pb.PlayerResult, path: str) -> MatchPlayer:
    return MatchPlayer(
        player_id=fields.uuid(player.player_id, f"{path}player_id"),
        team=fields.integer(player.team, f"{path}team", 0, INT32_MAX),
        score=player.score,
        kills=fields.integer(player.kills, f"{path}kills", 0, INT64_MAX),
        deaths=fields.integer(player.deaths, f"{path}deaths", 0, INT64_MAX),
        mmr_change=player.mmr_change,
        xp_gained=fields.integer(player.xp_gained, f"{path}xp_gained", 0, INT64_MAX),
    )


def _winner_team(message: pb.Match | pb.FinishMatchRequest, field: str) -> int | None:
    return fields.integer(message.winner_team, field, 0, INT32_MAX) if message.HasField("winner_team") else None


def _time(message: Any, name: str, path: str = "") -> datetime | None:
    return fields.time(getattr(message, name), f"{path}{name}") if message.HasField(name) else None


def _metadata(value: Struct, field: str) -> str:
    return json_struct.to_json(value, field, METADATA_BYTES)
