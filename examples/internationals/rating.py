"""What a match does to both teams: Elo's rating, in whole numbers, and experience."""

from collections.abc import Iterable
from dataclasses import dataclass

from examples.internationals.results import Result

# What Savepoint gives a new player.
FIRST_RATING = 1000

_K = 32
_XP_WIN, _XP_DRAW, _XP_LOSS = 30, 10, 5


@dataclass(frozen=True, slots=True)
class Side:
    """One team's part in a match, and its rating after it."""

    team: str
    goals: int
    conceded: int
    change: int
    rating: int
    xp: int


@dataclass(frozen=True, slots=True)
class RatedMatch:
    """A result with what it did."""

    result: Result
    home: Side
    away: Side


@dataclass(slots=True)
class Standing:
    """One team's sums over all of its matches: what Savepoint must say in the end."""

    rating: int = FIRST_RATING
    xp: int = 0
    matches: int = 0
    goals: int = 0

    @property
    def change(self) -> int:
        """The sum of all changes of the rating."""
        return self.rating - FIRST_RATING


def change(home_rating: int, away_rating: int, home_goals: int, away_goals: int) -> int:
    """What the home team's rating gains, and the away team's loses (https://en.wikipedia.org/wiki/Elo_rating_system).
    `round` is Python's: a half goes to the even number."""
    expected = 1 / (1 + 10 ** ((away_rating - home_rating) / 400))
    scored = _outcome(home_goals, away_goals, 1, 0.5, 0)
    return round(_K * (scored - expected))


def xp(goals: int, conceded: int) -> int:
    """30 for a win, 10 for a draw, 5 for a defeat, and 1 for each goal."""
    return int(_outcome(goals, conceded, _XP_WIN, _XP_DRAW, _XP_LOSS)) + goals


def rate(results: Iterable[Result]) -> tuple[list[RatedMatch], dict[str, Standing]]:
    """Plays the results in their order: every match rated, and every team's standing after the last."""
    matches: list[RatedMatch] = []
    table: dict[str, Standing] = {}
    for result in results:
        home = table.setdefault(result.home, Standing())
        away = table.setdefault(result.away, Standing())
        gain = change(home.rating, away.rating, result.home_goals, result.away_goals)
        matches.append(
            RatedMatch(
                result,
                _side(result.home, home, result.home_goals, result.away_goals, gain),
                _side(result.away, away, result.away_goals, result.home_goals, -gain),
            )
        )
    return matches, table


def _side(team: str, standing: Standing, goals: int, conceded: int, gain: int) -> Side:
    earned = xp(goals, conceded)
    standing.rating += gain
    standing.xp += earned
    standing.matches += 1
    standing.goals += goals
    return Side(team, goals, conceded, gain, standing.rating, earned)


def _outcome(goals: int, conceded: int, win: float, draw: float, loss: float) -> float:
    if goals == conceded:
        return draw
    return win if goals > conceded else loss
