"""Signs the teams up: one player each, unless an earlier run has done it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from savepoint.leaderboard.v1.leaderboard_pb2 import CreateLeaderboardRequest, Leaderboard
from savepoint.profile.v1.profile_pb2 import BatchGetPlayersRequest, CreatePlayerRequest, Player

from examples.internationals.call import Call, CallError
from examples.internationals.crew import each
from examples.internationals.gateway import Gateway
from examples.internationals.league import REMEMBERED, League

_BATCH = 1000
_AT_ONCE = 16
_LONGEST_USERNAME = 32
# A run must end while Savepoint still remembers what its first calls were.
_PLAYABLE = REMEMBERED - timedelta(hours=6)


class LeagueTooOldError(Exception):
    """The league began so long ago that its request_ids may be forgotten: played again, it would count twice."""

    def __init__(self, began: datetime) -> None:
        super().__init__(
            f"these matches were first played on {began:%Y-%m-%d}, and request ids are remembered for "
            f"{REMEMBERED.days} days: played again, they would count twice; DEMO_LEAGUE=another-name plays a new league"
        )


class Players:
    """The teams of a league as Savepoint's players. `ready` counts those that exist, `created` those of them that this
    run has signed up."""

    def __init__(self, gateway: Gateway, league: League, teams: Sequence[str]) -> None:
        self._profile = gateway.profile
        self._leaderboard = gateway.leaderboard
        self._league = league
        self._teams = {league.player_id(team): team for team in teams}
        self.created = 0
        self.ready = 0

    async def read(self) -> tuple[dict[str, Player], list[str]]:
        """Those that exist, by team, and the teams that are missing. Raises CallError."""
        found: dict[str, Player] = {}
        missing: list[str] = []
        ids = list(self._teams)
        for start in range(0, len(ids), _BATCH):
            request = BatchGetPlayersRequest(player_ids=ids[start : start + _BATCH])
            answer = await Call("BatchGetPlayers", "the teams", self._profile.BatchGetPlayers, request).answer()
            found |= {self._teams[player.player_id]: player for player in answer.players}
            missing += [self._teams[player_id] for player_id in answer.missing_player_ids]
        return found, missing

    async def sign_up(self) -> None:
        """Afterwards every team is a player, and the league has its leaderboard.

        Raises LeagueTooOldError, CallError.
        """
        found, missing = await self.read()
        if found:
            began = min(player.created_at.ToDatetime(UTC) for player in found.values())
            if datetime.now(UTC) - began > _PLAYABLE:
                raise LeagueTooOldError(began)
        self.ready = len(found)
        await self._create_leaderboard()
        await each(missing, self._create, at_once=_AT_ONCE)

    async def _create_leaderboard(self) -> None:
        request = CreateLeaderboardRequest(leaderboard=Leaderboard(leaderboard_id=self._league.leaderboard_id))
        create = Call(
            "CreateLeaderboard", request.leaderboard.leaderboard_id, self._leaderboard.CreateLeaderboard, request
        )
        try:
            await create.answer()
        except CallError as error:
            if error.reason != "LEADERBOARD_EXISTS":
                raise

    async def _create(self, team: str) -> None:
        player_id = self._league.player_id(team)
        # Usernames are unique, and another league's team of that name may be here already.
        tagged = f"{team[: _LONGEST_USERNAME - 9].rstrip()} #{player_id[:7]}"
        names = [team, tagged] if len(team) <= _LONGEST_USERNAME else [tagged]
        for username in names:
            request = CreatePlayerRequest(
                request_id=self._league.request_id("CreatePlayer", username),
                player_id=player_id,
                username=username,
                email=f"{player_id}@teams.example.com",
            )
            try:
                await Call("CreatePlayer", username, self._profile.CreatePlayer, request).answer()
            except CallError as error:
                if error.reason != "USERNAME_TAKEN" or username == tagged:
                    raise
            else:
                self.created += 1
                self.ready += 1
                return
