"""What the inventory service knows of matches, and how one is finished."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from pydantic import TypeAdapter

from shared.contract.errors import FieldInvalid, PreconditionFailed
from shared.stores.requests.kept import KeptAnswer

MOST_PLAYERS = 200


@dataclass(frozen=True, slots=True)
class MatchPlayer:
    """One player's part in a match; all but player and team stay 0 until there is a result."""

    player_id: UUID
    team: int
    score: int = 0
    kills: int = 0
    deaths: int = 0
    mmr_change: int = 0
    xp_gained: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """One match, in progress until it has an `ended_at`. `players` stand in order; `metadata` is JSON text."""

    match_id: UUID
    game_mode: str
    started_at: datetime
    ended_at: datetime | None
    winner_team: int | None
    players: list[MatchPlayer]
    metadata: str


@dataclass(frozen=True, slots=True)
class PlayerResult:
    """What a match came to for one player. With `keeps_team` the team is that of the start, and 0 for one who joined
    later; the one in `player` means nothing then."""

    player: MatchPlayer
    keeps_team: bool


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What FinishMatch brings; `ended_at` None means now."""

    ended_at: datetime | None
    winner_team: int | None
    results: Sequence[PlayerResult]


@dataclass(frozen=True, slots=True)
class MatchPosition:
    """Where a page of matches ends: start and id of its last match."""

    started_at: datetime
    match_id: UUID


MATCH = TypeAdapter(Match)
# The answer of StartMatch, FinishMatch and RecordMatch, as the request records keep it.
KEPT_MATCH = KeptAnswer(MATCH)
POSITION = TypeAdapter(MatchPosition)


def in_order(players: Iterable[MatchPlayer]) -> list[MatchPlayer]:
    """The players ordered by team, then player_id."""
    return sorted(players, key=lambda player: (player.team, player.player_id))


def check_winner(winner_team: int | None, players: Iterable[MatchPlayer], field: str) -> None:
    """Only a team that plays can win. Raises FieldInvalid."""
    if winner_team is not None and all(player.team != winner_team for player in players):
        raise FieldInvalid(field, f"must be the team of one of the players, and is {winner_team}")


def check_end(ended_at: datetime, started_at: datetime, field: str) -> None:
    """No match ends before it starts. Raises FieldInvalid."""
    if ended_at < started_at:
        raise FieldInvalid(field, f"must not be before started_at, which is {started_at.isoformat()}")


def finished(match: Match, result: MatchResult) -> Match:
    """The match with its result: a player's result replaces what was known of the player, and adds who joined late.
    Raises PreconditionFailed when it is finished already, FieldInvalid when the result does not fit it."""
    if match.ended_at is not None:
        message = "the match is finished already; its result stays as it is"
        raise PreconditionFailed("MATCH_FINISHED", message, match_id=match.match_id)
    if result.ended_at is not None:
        check_end(result.ended_at, match.started_at, "ended_at")
    players = {player.player_id: player for player in match.players}
    for of_one in result.results:
        player, started = of_one.player, players.get(of_one.player.player_id)
        if of_one.keeps_team:
            player = replace(player, team=started.team if started else 0)
        players[player.player_id] = player
    if len(players) > MOST_PLAYERS:
        raise FieldInvalid(
            "results", f"must bring the match to at most {MOST_PLAYERS} players, and make {len(players)}"
        )
    check_winner(result.winner_team, players.values(), "winner_team")
    return replace(
        match,
        # started_at may be ahead of our clock, because the game server took it from its own.
        ended_at=result.ended_at or max(datetime.now(UTC), match.started_at),
        winner_team=result.winner_team,
        players=in_order(players.values()),
    )
