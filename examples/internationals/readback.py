"""Asks Savepoint what it has kept, and compares it with our own sums."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from savepoint.leaderboard.v1.leaderboard_pb2 import Entry, GetLeaderboardRequest, ListAroundRequest, ListTopRequest
from savepoint.match.v1.match_pb2 import ListMatchesRequest

from examples.internationals.call import Call, Tokens
from examples.internationals.crew import each
from examples.internationals.gateway import Gateway
from examples.internationals.league import League
from examples.internationals.players import Players
from examples.internationals.rating import Standing

_TOP = 10
_RANGE = 3
_PAGE = 1000
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the leaderboard, under its team's name."""

    rank: int
    team: str
    score: int


@dataclass(slots=True)
class Found:
    """What was read back. `mismatches` names every difference; none is what it should be."""

    # Of all teams: what one gains another loses.
    change_sum: int = 0
    top: list[Place] = field(default_factory=list)
    around_team: str = ""
    around: list[Place] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)


class ReadBack:
    """Reads a league back and compares it with `table`; reads bring `tokens`. `teams_read` counts the teams whose
    matches were read."""

    def __init__(
        self,
        gateway: Gateway,
        league: League,
        players: Players,
        table: Mapping[str, Standing],
        tokens: Tokens,
    ) -> None:
        self._tokens = tokens
        self._match = gateway.match
        self._leaderboard = gateway.leaderboard
        self._league = league
        self._players = players
        self._table = table
        self._scores = sorted((standing.rating for standing in table.values()), reverse=True)
        self._found = Found()
        self.teams_read = 0

    async def run(self) -> Found:
        """Everything, read through the gateway. Raises CallError."""
        await self._compare_players()
        await each(self._table, self._compare_matches, at_once=_AT_ONCE)
        await self._compare_leaderboard()
        return self._found

    async def _compare_players(self) -> None:
        players, missing = await self._players.read()
        for team in missing:
            self._found.mismatches.append(f"{team}: is not a player")
        for team, player in players.items():
            self._expect(f"{team}: mmr", player.mmr, self._table[team].rating)
            self._expect(f"{team}: xp", player.xp, self._table[team].xp)

    async def _compare_matches(self, team: str) -> None:
        count, goals, change = await self._sum_matches(team)
        expected = self._table[team]
        self._expect(f"{team}: matches", count, expected.matches)
        self._expect(f"{team}: goals", goals, expected.goals)
        self._expect(f"{team}: sum of mmr_change", change, expected.change)
        self._found.change_sum += change
        self.teams_read += 1

    async def _sum_matches(self, team: str) -> tuple[int, int, int]:
        """A team's matches, goals and changes of its rating, from all of its pages."""
        count = goals = change = 0
        request = ListMatchesRequest(player_id=self._league.player_id(team), page_size=_PAGE)
        while True:
            page = await Call("ListMatches", team, self._match.ListMatches, request, self._tokens).answer()
            for match in page.matches:
                count += 1
                for player in match.players:
                    if player.player_id == request.player_id:
                        goals += player.score
                        change += player.mmr_change
            if not page.next_page_token:
                return count, goals, change
            request.page_token = page.next_page_token

    async def _compare_leaderboard(self) -> None:
        found, teams = self._found, len(self._table)
        board = self._league.leaderboard_id
        found.around_team = self._middle_team()
        middle_id = self._league.player_id(found.around_team)
        about = await Call(
            "GetLeaderboard", board, self._leaderboard.GetLeaderboard, GetLeaderboardRequest(leaderboard_id=board)
        ).answer()
        top = await Call(
            "ListTop", board, self._leaderboard.ListTop, ListTopRequest(leaderboard_id=board, page_size=_TOP)
        ).answer()
        around = await Call(
            "ListAround",
            found.around_team,
            self._leaderboard.ListAround,
            ListAroundRequest(leaderboard_id=board, entry_id=middle_id, range=_RANGE),
        ).answer()
        self._expect("leaderboard: entries", about.leaderboard.entry_count, teams)
        found.top = self._compare_places("top", top.entries, min(_TOP, teams))
        found.around = self._compare_places("neighbours", around.entries, min(2 * _RANGE + 1, teams))
        self._expect("top: first rank", [place.rank for place in found.top[:1]], [1])
        self._expect(
            f"neighbours: {found.around_team} among them", found.around_team in {p.team for p in found.around}, True
        )

    def _middle_team(self) -> str:
        """The team in the middle of our own table, which has neighbours on both sides."""
        order = sorted(self._table, key=lambda team: (-self._table[team].rating, team))
        return order[(len(order) - 1) // 2]

    def _compare_places(self, what: str, entries: Iterable[Entry], count: int) -> list[Place]:
        """Equal scores may stand in either order: so each rank must have its score, and each team its own."""
        teams = {self._league.player_id(team): team for team in self._table}
        places = [Place(entry.rank, teams.get(entry.entry_id, entry.entry_id), entry.score) for entry in entries]
        ranks = [place.rank for place in places]
        self._expect(f"{what}: ranks", ranks, list(range(ranks[0], ranks[0] + count)) if ranks else "some")
        for place in places:
            standing = self._table.get(place.team)
            self._expect(f"{what}: score of {place.team}", place.score, standing.rating if standing else "not here")
            if 1 <= place.rank <= len(self._scores):
                self._expect(f"{what}: score at rank {place.rank}", place.score, self._scores[place.rank - 1])
        return places

    def _expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self._found.mismatches.append(f"{what} is {found}, expected {expected}")
