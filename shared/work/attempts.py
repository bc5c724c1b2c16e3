"""The attempts of one call, and what they may promise together."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.contract.errors import Overloaded, SavepointError
from shared.work.retry import Transient, TransientError

T = TypeVar("T")


class Attempts(Generic[T]):
    """Makes an attempt each time it is asked to. `broken`: whether the connection of one of them broke, so that nobody
    knows whether it did its work.

    Overloaded promises that nothing was done. After a broken attempt nobody can promise that: the caller gets what
    `unavailable` makes instead.
    """

    def __init__(self, attempt: Callable[[], Awaitable[T]], unavailable: Callable[[], SavepointError]) -> None:
        self.broken = False
        self._attempt = attempt
        self._unavailable = unavailable

    async def once(self) -> T:
        """The next attempt, to be handed to a Retrier."""
        try:
            return await self._attempt()
        except TransientError as error:
            self.broken = self.broken or error.kind is Transient.CONNECTION_TIMEOUT
            raise
        except Overloaded as error:
            if self.broken:
                raise self._unavailable() from error
            raise
