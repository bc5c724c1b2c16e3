"""Plays the matches: three calls each, many matches at a time."""

import asyncio
from collections.abc import Sequence
from datetime import date

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from savepoint.leaderboard.v1.leaderboard_pb2 import BatchSubmitScoresRequest, ScoreSubmission
from savepoint.match.v1.match_pb2 import Match, MatchPlayer, RecordMatchRequest
from savepoint.profile.v1.profile_pb2 import BatchApplyProgressRequest, ProgressChange

from examples.errors import reason_in
from examples.internationals.call import Call, Tokens
from examples.internationals.crew import each
from examples.internationals.gateway import Gateway
from examples.internationals.league import League
from examples.internationals.rating import RatedMatch, Side

_HOME, _AWAY = 1, 2
_LONGEST_GAME_MODE = 32
_DAY_S = 86400
_EPOCH = date(1970, 1, 1).toordinal()


class ScoreRefusedError(Exception):
    """The leaderboard took the batch, but not one of its scores."""

    def __init__(self, match: RatedMatch, failure: Status) -> None:
        super().__init__(f"a score of {match.result} was refused: {reason_in(failure)}: {failure.message}")


class Season:
    """The matches of a league. `played` counts those that are over."""

    def __init__(self, gateway: Gateway, league: League, matches: Sequence[RatedMatch]) -> None:
        self._profile = gateway.profile
        self._match = gateway.match
        self._leaderboard = gateway.leaderboard
        self._league = league
        self._matches = matches
        self._last_scored: dict[str, asyncio.Future[None]] = {}
        self.played = 0

    async def play(self, in_flight: int) -> None:
        """Plays every match, so many at a time. Raises the first CallError or ScoreRefusedError; no other match
        goes on then."""
        await each(self._matches, self._play, at_once=in_flight)

    async def token(self) -> Tokens:
        """What shows a read every match that has been played: of a write that came after all of them. The last match,
        recorded once more under its request_id, is such a one, and changes nothing."""
        last = self._matches[-1]
        record = Call("RecordMatch", last.result, self._match.RecordMatch, self._record(last))
        await record.answer()
        return await record.tokens()

    async def _play(self, match: RatedMatch) -> None:
        earlier, scored = self._take_turn(match)
        # These two add up to the same in whatever order the matches come.
        record = Call("RecordMatch", match.result, self._match.RecordMatch, self._record(match))
        progress = Call("BatchApplyProgress", match.result, self._profile.BatchApplyProgress, self._progress(match))
        try:
            for turn in earlier:
                await turn
            await self._submit(match)
            scored.set_result(None)
            await record.answer()
            await progress.answer()
            self.played += 1
        finally:
            record.cancel()
            progress.cancel()

    def _take_turn(self, match: RatedMatch) -> tuple[list[asyncio.Future[None]], asyncio.Future[None]]:
        """A score replaces the one before it, so each team's must arrive in order: what to wait for before this match's
        may go out, and what to set when they have arrived."""
        scored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        teams = (match.home.team, match.away.team)
        earlier = [self._last_scored[team] for team in teams if team in self._last_scored]
        self._last_scored.update(dict.fromkeys(teams, scored))
        return earlier, scored

    async def _submit(self, match: RatedMatch) -> None:
        submit = self._leaderboard.BatchSubmitScores
        answer = await Call("BatchSubmitScores", match.result, submit, self._scores(match)).answer()
        for result in answer.results:
            if result.HasField("failure"):
                raise ScoreRefusedError(match, result.failure)

    def _record(self, match: RatedMatch) -> RecordMatchRequest:
        result = match.result
        # `tournament` may be longer than a game mode: whole it stands here.
        metadata = Struct()
        metadata.update(
            {
                "tournament": result.tournament,
                "city": result.city,
                "country": result.country,
                "neutral": result.neutral,
            }
        )
        return RecordMatchRequest(
            request_id=self._league.request_id("RecordMatch", result.number),
            match=Match(
                match_id=self._league.match_id(result.number),
                game_mode=game_mode(result.tournament),
                started_at=Timestamp(seconds=(result.day.toordinal() - _EPOCH) * _DAY_S),
                winner_team=winner_team(match),
                players=[self._player(match.home, _HOME), self._player(match.away, _AWAY)],
                metadata=metadata,
            ),
        )

    def _player(self, side: Side, team: int) -> MatchPlayer:
        return MatchPlayer(
            player_id=self._league.player_id(side.team),
            team=team,
            score=side.goals,
            mmr_change=side.change,
            xp_gained=side.xp,
        )

    def _progress(self, match: RatedMatch) -> BatchApplyProgressRequest:
        return BatchApplyProgressRequest(
            request_id=self._league.request_id("BatchApplyProgress", match.result.number),
            changes=[
                ProgressChange(player_id=self._league.player_id(side.team), mmr_delta=side.change, xp_delta=side.xp)
                for side in (match.home, match.away)
            ],
        )

    def _scores(self, match: RatedMatch) -> BatchSubmitScoresRequest:
        return BatchSubmitScoresRequest(
            request_id=self._league.request_id("BatchSubmitScores", match.result.number),
            submissions=[
                ScoreSubmission(
                    leaderboard_id=self._league.leaderboard_id,
                    entry_id=self._league.player_id(side.team),
                    score=side.rating,
                )
                for side in (match.home, match.away)
            ],
        )


def game_mode(tournament: str) -> str:
    """A tournament's name as a game mode, of at most 32 characters; one that was cut ends in an ellipsis."""
    if len(tournament) <= _LONGEST_GAME_MODE:
        return tournament
    return tournament[: _LONGEST_GAME_MODE - 1].rstrip() + "…"


def winner_team(match: RatedMatch) -> int | None:
    """Which side won; None for a draw."""
    if match.home.goals == match.away.goals:
        return None
    return _HOME if match.home.goals > match.away.goals else _AWAY
