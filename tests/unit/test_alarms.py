"""Alarms cancel the task that has set them, each at its time, and only that one."""

import asyncio
import time

import pytest

from shared.work.alarms import GRAIN_S, Alarms

# What a loop that is busy elsewhere may add, on a machine that is busy with other tests too.
LATE_S = 0.25


async def sleeper(alarms: Alarms, after_s: float, sleeps_s: float) -> float | None:
    """How long it slept when the alarm woke it; None where it slept to the end."""
    begun = time.monotonic()
    alarm = alarms.set(begun + after_s)
    try:
        await asyncio.sleep(sleeps_s)
    except asyncio.CancelledError:
        assert alarm.rang
        assert alarm.task.uncancel() == 0
        return time.monotonic() - begun
    finally:
        alarm.turn_off()
    assert not alarm.rang
    return None


async def test_each_rings_at_its_time_and_none_that_was_turned_off() -> None:
    alarms = Alarms()
    slept = await asyncio.gather(
        *(sleeper(alarms, 0.02 + 0.001 * number, 0.5 if number % 2 else 0.01) for number in range(64))
    )
    for number, seconds in enumerate(slept):
        if number % 2:
            due = 0.02 + 0.001 * number
            # uvloop's clock counts milliseconds.
            assert seconds is not None
            assert due - 0.002 <= seconds <= due + GRAIN_S + LATE_S
        else:
            assert seconds is None


async def test_one_that_has_rung_is_not_in_the_way_of_the_next_at_the_same_moment() -> None:
    alarms = Alarms()
    assert await sleeper(alarms, 0, 1) is not None
    assert await sleeper(alarms, 0, 1) is not None
    assert await sleeper(alarms, -1, 1) is not None


async def test_those_of_one_moment_share_a_timer_that_is_gone_when_it_has_rung() -> None:
    alarms = Alarms()
    at = time.monotonic() + 0.03
    for _ in range(100):
        alarms.set(at).turn_off()
    assert len(alarms._due) == 1
    await asyncio.sleep(0.06)
    assert not alarms._due


def test_only_a_task_can_set_one() -> None:
    async def outside() -> None:
        failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def callback() -> None:
            with pytest.raises(RuntimeError) as error:
                Alarms().set(0)
            failed.set_result(error.value)

        asyncio.get_running_loop().call_soon(callback)
        assert str(await failed) == "only a task can be cancelled"

    asyncio.run(outside())
