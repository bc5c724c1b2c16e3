"""Retries: after which failures, how often, how long apart, and when not at all.

3 attempts, exponential backoff from 100 ms to 5 s with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), never past the call's deadline, and under
a budget: a store that is down sees a tenth more load than usual, not three times as much.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, TypeVarTuple

from shared.work import deadline

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Transient(Enum):
    """The failures that a second attempt can mend."""

    CONNECTION_TIMEOUT = "CONNECTION_TIMEOUT"
    DEADLOCK_DETECTED = "DEADLOCK_DETECTED"
    # Another transaction changed what this one has read (40001).
    SERIALIZATION_FAILURE = "SERIALIZATION_FAILURE"
    REPLICA_LAG = "REPLICA_LAG"
    THROTTLED = "THROTTLED"


class TransientError(Exception):
    """An attempt failed in a way that a second one may mend. `repeatable` is False where the first may have taken
    effect and a second would take it again."""

    def __init__(self, kind: Transient, *, repeatable: bool = True) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.repeatable = repeatable


@dataclass(frozen=True)
class RetryPolicy:
    """`attempts` in all; waits grow from `base_s`, doubling, to `cap_s`, each drawn between 0 and its size."""

    attempts: int = 3
    base_s: float = 0.1
    cap_s: float = 5.0

    def wait_s(self, failed_attempts: int) -> float:
        """Seconds to wait after so many failed attempts."""
        return random.uniform(0, min(self.cap_s, self.base_s * 2 ** (failed_attempts - 1)))


class RetryBudget:
    """Tokens for retries: every call earns a tenth of one, a retry costs one, and so many are there at the start."""

    def __init__(self, tokens: float = 100, earned_per_call: float = 0.1) -> None:
        self._most = tokens
        self._tokens = tokens
        self._earned_per_call = earned_per_call

    def earn(self) -> None:
        """Counts a call."""
        self._tokens = min(self._most, self._tokens + self._earned_per_call)

    def spend(self) -> bool:
        """Takes a token for a retry; False when none is left."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retrier:
    """Runs work under a policy and a budget. One for each store, so that one dead store does not use up the other's."""

    def __init__(self, policy: RetryPolicy | None = None, budget: RetryBudget | None = None) -> None:
        self._policy = policy or RetryPolicy()
        self._budget = budget or RetryBudget()

    async def run(self, work: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """Awaits `work(*args)`, again after a repeatable TransientError; raises the last one when it is time to give
        up."""
        self._budget.earn()
        failed = 0
        while True:
            try:
                return await work(*args)
            except TransientError as error:
                failed += 1
                wait = self._policy.wait_s(failed)
                give_up = (
                    not error.repeatable
                    or failed >= self._policy.attempts
                    or deadline.remaining(at_most=wait + 1) <= wait
                    # A lost race is no sign of a store that is down: whoever has won it, got on.
                    or (error.kind is not Transient.SERIALIZATION_FAILURE and not self._budget.spend())
                )
                if give_up:
                    raise
            await asyncio.sleep(wait)
