"""What MatchService asks of whatever keeps the matches: a method for each RPC."""

from typing import Protocol
from uuid import UUID

from services.inventory.matches.types import Match, MatchPosition, MatchResult
from shared.contract.paging import Page
from shared.stores.requests.key import RequestKey


class MatchStore(Protocol):
    """Matches with their players. A change and its request record happen together or not at all.

    A write takes effect once under its key: the same request again gets the same answer, another one raises
    RequestIdReused. Every method may also raise StoreUnavailable, Overloaded, DeadlineReached; those that name a player
    whom nobody knew yet, what asking profile raises."""

    async def start_match(self, match: Match, key: RequestKey) -> Match:
        """Writes a match in progress. Raises NotFound for a player who does not exist, AlreadyExists where the match_id
        is taken, RequestIdReused."""
        ...

    async def record_match(self, match: Match, key: RequestKey) -> Match:
        """Writes a match that is over. Raises likewise."""
        ...

    async def finish_match(self, match_id: UUID, result: MatchResult, key: RequestKey) -> Match:
        """Ends a match, once: it never changes again. Raises NotFound, PreconditionFailed where it is finished already,
        FieldInvalid where the result does not fit the match, RequestIdReused."""
        ...

    async def get_match(self, match_id: UUID) -> Match:
        """Raises NotFound."""
        ...

    async def list_matches(
        self, player_id: UUID | None, game_mode: str | None, after: MatchPosition | None, limit: int
    ) -> Page[Match]:
        """Up to `limit` matches after a position, the latest start first, fewer where they are large. Those of the last
        seconds may be missing where histories are read from a replica."""
        ...
