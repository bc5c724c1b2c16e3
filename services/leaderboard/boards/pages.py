"""The last pages that were listed, as the bytes of their answers, each with the version of its board.

A page of 100 costs 100 µs and more to read and to build, and a board is listed far more often than it changes, or at
least by many callers between two changes. So ListTop asks the store for the page only if the board has another version
than that of the page which is kept here. What is kept is never answered without asking: a write that has been answered,
by whatever replica, is in every page that is asked for afterwards.
"""

from collections import OrderedDict
from typing import NamedTuple

from services.leaderboard.boards.types import BoardPosition

MOST_BYTES = 16 * 1024 * 1024
# What a page costs beside its bytes: its key, the version, the entries of the dictionary.
_OVERHEAD = 1024


class PageKey(NamedTuple):
    """Which page: of which board, after which position, of how many entries."""

    leaderboard_id: str
    after: BoardPosition | None
    size: int


class KeptPage(NamedTuple):
    """A serialized answer, and the version of the board that it shows."""

    version: bytes
    answer: bytes


_NO_PAGE = KeptPage(b"", b"")


class KeptPages:
    """Pages of together `most_bytes` at most; those that were not asked for the longest go first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._room = most_bytes
        self._pages: OrderedDict[PageKey, KeptPage] = OrderedDict()

    def find(self, key: PageKey) -> KeptPage:
        """The page as it was when it was last built; one of no version where it is not kept."""
        page = self._pages.get(key)
        if page is None:
            return _NO_PAGE
        self._pages.move_to_end(key)
        return page

    def keep(self, key: PageKey, page: KeptPage) -> None:
        """Keeps a page instead of what was kept of it before."""
        if (before := self._pages.pop(key, None)) is not None:
            self._room += _size(before)
        self._pages[key] = page
        self._room -= _size(page)
        while self._room < 0:
            _, gone = self._pages.popitem(last=False)
            self._room += _size(gone)


def _size(page: KeptPage) -> int:
    return len(page.answer) + _OVERHEAD
