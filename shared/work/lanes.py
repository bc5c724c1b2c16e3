"""A batcher for each of many things, say for each board: made when somebody needs it, and dropped when nobody does."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from shared.work.batching import Batcher

K = TypeVar("K", bound=Hashable)
I = TypeVar("I")  # noqa: E741 # an item
R = TypeVar("R")


class _Lane(Generic[I, R]):
    """`users` wait for an answer."""

    __slots__ = ("batcher", "users")

    def __init__(self, batcher: Batcher[I, R]) -> None:
        self.batcher = batcher
        self.users = 0


class Lanes(Generic[K, I, R]):
    """Batchers by their keys, as `make` makes them."""

    def __init__(self, make: Callable[[K], Batcher[I, R]]) -> None:
        self._make = make
        self._lanes: dict[K, _Lane[I, R]] = {}

    async def do(self, key: K, item: I) -> R:
        """The result of the key's batcher for this item."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._make(key))
        lane.users += 1
        try:
            return await lane.batcher.do(item)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[key]

    async def close(self) -> None:
        """Ends what is running."""
        for lane in list(self._lanes.values()):
            await lane.batcher.close()
