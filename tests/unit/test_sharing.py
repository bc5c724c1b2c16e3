"""Reads that callers share: few look-ups, none of them older than the caller that gets its answer."""

import asyncio
from collections import Counter

import pytest

from shared.contract.errors import DeadlineReached
from shared.work import deadline
from shared.work.sharing import SharedReads


class Source:
    """What is read: a number for each key. A look-up sees the number as it is when it begins, and takes its time."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.numbers: Counter[str] = Counter()
        self.lookups: Counter[str] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most_under_way = 0
        self.takes_s = takes_s

    async def read(self, key: str) -> int:
        self.lookups[key] += 1
        self.under_way[key] += 1
        self.most_under_way = max(self.most_under_way, *self.under_way.values())
        try:
            seen = self.numbers[key]
            await asyncio.sleep(self.takes_s)
            if seen == 13:
                raise LookupError("thirteen")
            return seen
        finally:
            self.under_way[key] -= 1


@pytest.fixture
def source() -> Source:
    return Source()


async def test_who_comes_alone_looks_up_alone_and_at_once(source: Source) -> None:
    source.takes_s = 0
    reads = SharedReads(source.read)
    for number in range(3):
        source.numbers["a"] = number
        assert await reads.get("a") == number
    assert source.lookups["a"] == 3


async def test_many_share_two_look_ups(source: Source) -> None:
    reads = SharedReads(source.read)
    assert await asyncio.gather(*(reads.get("a") for _ in range(64))) == [0] * 64
    assert source.lookups["a"] == 2


async def test_each_key_is_looked_up_apart(source: Source) -> None:
    reads = SharedReads(source.read)
    source.numbers.update({"a": 1, "b": 2})
    assert await asyncio.gather(*(reads.get(key) for key in "abab")) == [1, 2, 1, 2]


async def test_nobody_gets_an_answer_from_before_it_came(source: Source) -> None:
    reads = SharedReads(source.read)
    source.takes_s = 0.001
    source.numbers["a"] = 100

    async def caller(number: int) -> None:
        for turn in range(50):
            # What was written before this caller came is in what it gets.
            source.numbers["a"] += 1 if (number + turn) % 3 else 0
            written = source.numbers["a"]
            assert await reads.get("a") >= written
            await asyncio.sleep(0.0003 * (number % 7))

    await asyncio.gather(*(caller(number) for number in range(20)))
    assert source.most_under_way == 1
    assert source.lookups["a"] < 20 * 50 / 3


async def test_a_look_up_that_fails_fails_those_who_share_it(source: Source) -> None:
    reads = SharedReads(source.read)
    first = asyncio.create_task(reads.get("a"))
    await asyncio.sleep(0)
    source.numbers["a"] = 13
    sharing = [asyncio.create_task(reads.get("a")) for _ in range(3)]
    await asyncio.sleep(source.takes_s * 1.5)
    source.numbers["a"] = 14
    later = asyncio.create_task(reads.get("a"))
    assert await first == 0
    results = await asyncio.gather(*sharing, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert await later == 14
    # Nothing is left behind: the next one looks up at once.
    source.takes_s = 0
    assert await reads.get("a") == 14


async def test_one_whose_own_look_up_fails_does_not_disturb_those_who_wait(source: Source) -> None:
    reads = SharedReads(source.read)
    source.numbers["a"] = 13
    first = asyncio.create_task(reads.get("a"))
    await asyncio.sleep(0)
    source.numbers["a"] = 1
    assert await asyncio.gather(first, *(reads.get("a") for _ in range(3)), return_exceptions=True) == [
        first.exception(), 1, 1, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("leaving", [0, 1, 2, 63])
async def test_callers_who_give_up_do_not_disturb_the_others(source: Source, leaving: int) -> None:
    reads = SharedReads(source.read)
    callers = [asyncio.create_task(reads.get("a")) for _ in range(64)]
    await asyncio.sleep(0)
    source.numbers["a"] = 5
    callers[leaving].cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results.pop(leaving), asyncio.CancelledError)
    assert set(results) <= {0, 5}


async def test_when_all_have_given_up_nothing_is_looked_up_for_them(source: Source) -> None:
    reads = SharedReads(source.read)
    callers = [asyncio.create_task(reads.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert source.lookups["a"] == 1
    assert await reads.get("a") == 0


async def test_the_deadline_of_one_is_not_that_of_those_who_share_with_it(source: Source) -> None:
    reads = SharedReads(source.read)
    source.takes_s = 0.1

    async def within(seconds: float) -> int:
        deadline.start(seconds)
        return await reads.get("a")

    first = asyncio.create_task(within(0.15))
    await asyncio.sleep(0)
    # The look-up that they share begins when 0.05 s are left to the first.
    assert [*await asyncio.gather(within(0.15), within(10))] == [0, 0]
    assert await first == 0


async def test_a_look_up_ends_when_nobody_has_time_left(source: Source) -> None:
    reads = SharedReads(source.read)
    source.takes_s = 0.1

    async def within(seconds: float) -> int:
        deadline.start(seconds)
        return await reads.get("a")

    results = await asyncio.gather(within(10), within(0.15), within(0.12), return_exceptions=True)
    assert results[0] == 0
    assert [type(result) for result in results[1:]] == [DeadlineReached] * 2
    assert await reads.get("a") == 0


@pytest.mark.parametrize("turns", range(4))
async def test_closed_it_leaves_nobody_waiting(source: Source, turns: int) -> None:
    reads = SharedReads(source.read)
    source.takes_s = 30
    first = asyncio.create_task(reads.get("a"))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(reads.get("a")) for _ in range(3)]
    await asyncio.sleep(0)
    # Those who wait are asked for in the next turns, or looked up already.
    first.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    await reads.close()
    async with asyncio.timeout(1):
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
