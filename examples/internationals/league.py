"""The names of everything: a league is the rows that are played, and every id derives from it.

So the same rows played again ask for the same things under the same request_ids, and nothing happens twice. Other
rows are another league, which shares a stack with the first and touches nothing of it.
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid5

from examples.internationals.results import Result

# Part of every league: change it with the rules in rating.py, since a request_id must not come with another content.
_RULES = "Elo 32, xp 30 10 5"

# How long Savepoint remembers a request_id.
REMEMBERED = timedelta(days=7)


class League:
    """The ids of these rows' teams, matches and calls; another `name` makes another league of the same rows."""

    def __init__(self, results: Iterable[Result], name: str = "") -> None:
        digest = hashlib.sha256(f"{_RULES}\n{name}\n".encode())
        teams: dict[str, None] = {}
        for result in results:
            digest.update(repr(result).encode())
            teams[result.home] = teams[result.away] = None
        self._namespace = UUID(bytes=digest.digest()[:16])
        self.leaderboard_id = f"internationals-{digest.hexdigest()[:8]}"
        # Asked for often: a match needs both teams' four times.
        self._player_ids = {team: self._id(f"player {team}") for team in teams}

    def player_id(self, team: str) -> str:
        """A team's player_id."""
        return self._player_ids[team]

    def match_id(self, number: int) -> str:
        """A match's match_id."""
        return self._id(f"match {number}")

    def request_id(self, call: str, what: object) -> str:
        """The request_id of one call about one team or one match."""
        return self._id(f"{call} {what}")

    def _id(self, name: str) -> str:
        return str(uuid5(self._namespace, name))
