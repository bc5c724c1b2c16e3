"""What the game log asks of its database. `sql_store.py` and `mongodb_store.py` do it; the tests in
tests/conformance/gamelog say once what each must do.

Any method raises StoreUnavailable where the database does not answer, Overloaded where all of its connections are in
use, and DeadlineReached.
"""

from collections.abc import Sequence
from typing import Protocol

from services.gamelog.events.types import (
    Aggregate,
    AggregatePosition,
    Aggregation,
    Event,
    EventPosition,
    Filter,
    LogPosition,
    NewEvent,
    Outcome,
    Passage,
    Range,
)
from shared.contract.paging import Page


class EventStore(Protocol):
    """Events, found by player, match, type and time, and in the order in which they were stored."""

    async def append(self, events: Sequence[NewEvent]) -> Sequence[Outcome]:
        """Stores those whose id is new, and says what became of each, in their order. Of two with one id the first
        counts. When it returns, they are committed; when it raises, some of them may be. It may be repeated."""

    async def query(
        self, wanted: Filter, times: Range, after: EventPosition | None, limit: int, *, newest_first: bool
    ) -> Page[Event]:
        """Up to `limit` events after a position, by time and then id; fewer where they are large."""

    async def aggregate(
        self, wanted: Filter, how: Aggregation, after: AggregatePosition | None, limit: int
    ) -> Page[Aggregate]:
        """Up to `limit` aggregates after a position, by bucket and then type."""

    async def end_of_log(self) -> LogPosition:
        """A position that every event which is stored from now on comes after. The same one as before means that
        nothing can have come since."""

    async def read_log(self, wanted: Filter, after: LogPosition, end: LogPosition, limit: int) -> Passage:
        """The events that were stored after a position, up to `end`, which `end_of_log` has returned. A bounded part of
        the log is read: up to `limit` events, whether they fit or not."""

    async def keep_retention(self) -> None:
        """Sees to it that events go when their retention is over, give or take KEPT_LONGER."""

    async def close(self) -> None:
        """Cancels what is under way; its callers are cancelled too."""
