"""Pages that are kept: so many bytes of them, the latest."""

from services.leaderboard.boards.pages import KeptPage, KeptPages, PageKey
from services.leaderboard.boards.types import BoardPosition


def page(size: int, version: bytes = b"1") -> KeptPage:
    return KeptPage(version, b"x" * size)


def key(name: str, after: BoardPosition | None = None, size: int = 100) -> PageKey:
    return PageKey(name, after, size)


def test_a_page_is_found_by_board_position_and_size() -> None:
    pages = KeptPages()
    position = BoardPosition(5, "0" * 28)
    kept = {
        key("a"): page(1), key("b"): page(2), key("a", size=10): page(3), key("a", position): page(4)
    }  # fmt: skip
    for which, one in kept.items():
        pages.keep(which, one)
    assert all(pages.find(which) is one for which, one in kept.items())
    assert pages.find(key("a", BoardPosition(5, "0" * 28))) is kept[key("a", position)]
    assert pages.find(key("c")).version == b""


def test_those_that_were_not_asked_for_the_longest_go_first() -> None:
    pages = KeptPages(most_bytes=10_000)
    for name in "abc":
        pages.keep(key(name), page(2000))
    pages.find(key("a"))
    pages.keep(key("d"), page(2000))
    assert [name for name in "abcd" if pages.find(key(name)).version] == ["a", "c", "d"]


def test_a_page_that_is_kept_anew_takes_its_room_once() -> None:
    pages = KeptPages(most_bytes=10_000)
    pages.keep(key("a"), page(2000))
    for number in range(100):
        pages.keep(key("b"), page(2000, b"%d" % number))
    assert (pages.find(key("a")).version, pages.find(key("b")).version) == (b"1", b"99")


def test_one_that_is_too_large_is_not_kept() -> None:
    pages = KeptPages(most_bytes=10_000)
    pages.keep(key("a"), page(20_000))
    assert pages.find(key("a")).version == b""
    pages.keep(key("a"), page(2000))
    assert pages.find(key("a")).version == b"1"
