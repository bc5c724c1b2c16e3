"""Retries: which, how often, how long, and when not at all."""

import asyncio

import pytest

from shared.work import deadline
from shared.work.retry import Retrier, RetryBudget, RetryPolicy, Transient, TransientError

SWIFT = RetryPolicy(base_s=0.001, cap_s=0.002)


class Work:
    """Fails so many times, then succeeds."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.attempts = 0
        self._failures = failures
        self._error = error or TransientError(Transient.DEADLOCK_DETECTED)

    async def __call__(self) -> int:
        self.attempts += 1
        if self.attempts <= self._failures:
            raise self._error
        return self.attempts


async def test_the_third_attempt_may_succeed_and_there_is_no_fourth() -> None:
    assert await Retrier(SWIFT).run(Work(2)) == 3
    hopeless = Work(3)
    with pytest.raises(TransientError):
        await Retrier(SWIFT).run(hopeless)
    assert hopeless.attempts == 3


@pytest.mark.parametrize("error", [ValueError(), TransientError(Transient.CONNECTION_TIMEOUT, repeatable=False)])
async def test_what_a_second_attempt_cannot_mend_is_not_tried_again(error: Exception) -> None:
    work = Work(1, error)
    with pytest.raises(type(error)):
        await Retrier(SWIFT).run(work)
    assert work.attempts == 1


def test_waits_double_from_100_ms_to_5_s_with_full_jitter() -> None:
    policy = RetryPolicy()
    for failed, longest in ((1, 0.1), (2, 0.2), (3, 0.4), (7, 5.0), (20, 5.0)):
        waits = [policy.wait_s(failed) for _ in range(500)]
        assert all(0 <= wait <= longest for wait in waits)
        assert max(waits) > 0.9 * longest
        assert min(waits) < 0.1 * longest


async def test_no_wait_goes_past_the_deadline() -> None:
    work = Work(2)

    async def call() -> None:
        deadline.start(0.5)
        await Retrier(RetryPolicy(base_s=60, cap_s=60)).run(work)

    with pytest.raises(TransientError):
        await asyncio.wait_for(asyncio.create_task(call()), 3)
    assert work.attempts <= 2


async def test_a_dead_store_is_not_asked_three_times_as_often() -> None:
    retrier, attempts = Retrier(SWIFT, RetryBudget(tokens=10)), 0
    for _ in range(200):
        work = Work(3)
        with pytest.raises(TransientError):
            await retrier.run(work)
        attempts += work.attempts
    assert 200 + 10 <= attempts <= 200 + 10 + 20 + 1
