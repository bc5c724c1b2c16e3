"""One call to Savepoint: how long it may take, when it is made again, and how its failure reads."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from grpc import aio

from examples.errors import reason_of

Q = TypeVar("Q")
A = TypeVar("A")

# With all of its attempts, which retry.json spreads over some 15 s.
TIMEOUT_S = 60

_PAUSE_S = 1

# As metadata.
Tokens = tuple[tuple[str, str | bytes], ...]


class CallError(Exception):
    """A call failed for good; the message says which and why. `reason` is Savepoint's, None if the network failed."""

    def __init__(self, what: str, error: aio.AioRpcError) -> None:
        self.reason = reason_of(error)
        super().__init__(f"{what} failed: {self.reason or error.code().name}: {error.details()}")


class Call(Generic[Q, A]):
    """A call, on its way from the moment this is made: several can be. `name` of `about`, say GetPlayer of Spain. It
    brings `tokens` of earlier ones."""

    def __init__(
        self,
        name: str,
        about: object,
        method: "aio.UnaryUnaryMultiCallable[Q, A]",
        request: Q,
        tokens: Tokens = (),
    ) -> None:
        self._name = name
        self._about = about
        self._make: Callable[[], aio.UnaryUnaryCall[Q, A]] = lambda: method(request, timeout=TIMEOUT_S, metadata=tokens)
        self._call = self._make()

    async def answer(self, repeats: int = 2) -> A:
        """What Savepoint answers. Raises CallError."""
        try:
            return await self._call
        except aio.AioRpcError as error:
            if not repeats or not _broke_off(error):
                raise CallError(f"{self._name} of {self._about}", error) from error
        await asyncio.sleep(_PAUSE_S)
        self._call = self._make()
        return await self.answer(repeats - 1)

    async def tokens(self) -> Tokens:
        """The consistency token of a write that was answered; nothing where the suite reads from no replicas."""
        return tuple((key, value) for key, value in await self._call.trailing_metadata() if key == "consistency_token")

    def cancel(self) -> None:
        """Ends the call if it is not over: one that is only abandoned goes on by itself."""
        self._call.cancel()


def _broke_off(error: aio.AioRpcError) -> bool:
    """Whether the answer had begun, and Savepoint did not say how it ended: a service was killed at that moment. gRPC's
    own retries (retry.json) stop where an answer begins; the request_id makes it safe to ask again."""
    return bool(error.initial_metadata()) and reason_of(error) is None
