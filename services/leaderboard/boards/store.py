"""What the servicer knows of whatever keeps the boards. valkey_store.py and dynamodb/ are such stores, and area.py
chooses.

Whatever a method has answered, each later call sees, whichever process it goes to. Beside what its docstring names, any
method may raise StoreUnavailable, Overloaded and DeadlineReached.
"""

from collections.abc import Sequence
from typing import Protocol

from services.leaderboard.boards.types import BoardPosition, Entry, Leaderboard, Placed, Submission, Submitted, Top
from shared.contract.errors import NotFound
from shared.stores.requests.key import RequestKey


class BoardStore(Protocol):
    """Everything about boards and their entries. A method for each RPC, whose promise is in the proto."""

    async def close(self) -> None:
        """Ends what is on its way."""

    async def create_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """Makes an empty board. Raises AlreadyExists."""

    async def get_leaderboard(self, leaderboard_id: str) -> Leaderboard:
        """A board with its number of entries. Raises NotFound."""

    async def delete_leaderboard(self, leaderboard_id: str) -> None:
        """Deletes a board; from then on, nothing of its entries is ever seen, on a new board of the same id neither.
        Raises NotFound."""

    async def submit_score(self, submission: Submission, key: RequestKey | None) -> Submitted:
        """Sets a score. With a key, a repeat does nothing and gets the first answer. Raises NotFound, which is final
        under a key; with a key, RequestIdReused."""

    async def batch_submit_scores(
        self, submissions: Sequence[Submission], key: RequestKey | None
    ) -> Sequence[Placed | NotFound]:
        """Sets scores in their order, and says what became of each, with the ranks that they have in the end. With a
        key, each board's part is done as one, and a repeat does nothing and gets the first answer. Raises
        RequestIdReused, and NotSupportedByStore for a part that the store cannot do as one; nothing was done then."""

    async def get_entry(self, leaderboard_id: str, entry_id: str) -> Entry:
        """One entry with its rank. Raises NotFound."""

    async def list_top(
        self, leaderboard_id: str, after: BoardPosition | None, limit: int, known: bytes = b""
    ) -> Top | None:
        """Up to `limit` entries from the top, or after a position, whether or not an entry still stands there.

        A Top has a `version`, which is another one after any change of the board. With the version that the caller
        knows this page of, the answer is None if the board still has it. Raises NotFound."""

    async def list_around(self, leaderboard_id: str, entry_id: str, neighbours: int) -> Sequence[Entry]:
        """An entry among up to `neighbours` on each side; near an end of the board fewer on that side, and more on the
        other. Raises NotFound."""

    async def remove_entry(self, leaderboard_id: str, entry_id: str) -> None:
        """Takes an entry off the board. Raises NotFound."""
