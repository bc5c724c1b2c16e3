"""What many callers ask for at once: in few batches, each caller with an answer of its own."""

import asyncio
import gc
import random
import weakref
from collections.abc import Sequence

import pytest

from shared.contract.errors import DeadlineReached
from shared.work import deadline
from shared.work.batching import BUSY, Batcher, Busy


class Work:
    """Answers each number with its double; records the batches."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.batches: list[list[int]] = []
        self._takes_s = takes_s

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        await asyncio.sleep(self._takes_s)
        if 13 in items:
            raise LookupError("all of this batch")
        return [ValueError("odd one out") if item == 7 else 2 * item for item in items]


def batcher(work: Work, most: int = 64) -> Batcher[int, int]:
    return Batcher(work, lambda item: [item % 100], most=most)


async def test_one_who_comes_alone_is_done_at_once() -> None:
    work = Work(takes_s=0)
    begun = asyncio.get_running_loop().time()
    assert [await batcher(work).do(item) for item in range(3)] == [0, 2, 4]
    assert asyncio.get_running_loop().time() - begun < 0.02
    assert work.batches == [[0], [1], [2]]


async def test_many_share_few_batches_and_each_gets_its_own_answer() -> None:
    work = Work()
    together = batcher(work)
    assert await asyncio.gather(*(together.do(item) for item in range(14, 64))) == [2 * i for i in range(14, 64)]
    assert len(work.batches) <= 3
    assert max(map(len, work.batches)) > 20


async def test_a_batch_has_a_largest_size() -> None:
    work = Work()
    together = batcher(work, most=10)
    await asyncio.gather(*(together.do(item) for item in range(20, 60)))
    assert max(map(len, work.batches)) == 10


async def test_a_heavy_item_ends_its_batch() -> None:
    work = Work()
    together: Batcher[int, int] = Batcher(work, lambda item: [item], weight=lambda item: item, most=100)
    await asyncio.gather(*(together.do(item) for item in (90, 91, 92, 1, 2, 3)))
    assert all(sum(batch[:-1]) < 100 for batch in work.batches)


async def test_when_all_have_given_up_nothing_is_done() -> None:
    work = Work(takes_s=0.1)
    together = batcher(work)
    calls = [asyncio.create_task(together.do(item)) for item in (1, 101, 201, 301)]
    await asyncio.sleep(0.01)
    for call in calls[2:]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await together.do(2) == 4
    assert work.batches == [[1], [101], [2]]


async def test_who_has_given_up_leaves_the_room_of_a_batch_to_others() -> None:
    together = Batcher(Work(takes_s=0.05), lambda item: [item], at_once=1)
    for item in range(3):
        served = [asyncio.create_task(together.do(number)) for number in (item, 100 + item)]
        await asyncio.sleep(0.01)
        late = asyncio.create_task(together.do(200 + item))
        await asyncio.sleep(0.01)
        late.cancel()
        async with asyncio.timeout(5):
            assert await asyncio.gather(*served) == [2 * item, 200 + 2 * item]
    async with asyncio.timeout(5):
        assert await together.do(6) == 12


async def test_two_with_a_key_in_common_are_never_in_one_batch_and_keep_their_order() -> None:
    work = Work()
    together = batcher(work)
    await asyncio.gather(*(together.do(item) for item in (1, 101, 2, 201, 102, 3)))
    assert all(len({item % 100 for item in batch}) == len(batch) for batch in work.batches)
    flat = [item for batch in work.batches for item in batch]
    assert [item for item in flat if item % 100 == 1] == [1, 101, 201]


async def test_who_waits_for_one_key_is_not_overtaken_on_another() -> None:
    batches: list[list[str]] = []

    async def work(items: Sequence[str]) -> Sequence[str]:
        batches.append(list(items))
        await asyncio.sleep(0.01)
        return items

    together: Batcher[str, str] = Batcher(work, lambda item: item)
    await asyncio.gather(*(together.do(item) for item in ("a", "ab", "bc", "cd")))
    assert batches == [["a"], ["ab"], ["bc"], ["cd"]]


async def test_the_failure_of_one_is_not_the_others() -> None:
    together = batcher(Work())
    results = await asyncio.gather(*(together.do(item) for item in (5, 6, 7, 8)), return_exceptions=True)
    assert [type(result) for result in results] == [int, int, ValueError, int]


async def test_the_failure_of_a_batch_reaches_all_in_it_and_none_after_it() -> None:
    together = batcher(Work())
    results = await asyncio.gather(*(together.do(item) for item in (12, 13)), return_exceptions=True)
    assert any(isinstance(result, LookupError) for result in results)
    assert await together.do(20) == 40


async def test_one_who_gives_up_disturbs_nobody() -> None:
    work = Work(takes_s=0.05)
    together = batcher(work)
    calls = [asyncio.create_task(together.do(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0.02)
    calls[1].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert (results[0], results[2]) == (2, 6)
    assert isinstance(results[1], asyncio.CancelledError)


async def test_closing_ends_what_is_under_way() -> None:
    together = batcher(Work(takes_s=60))
    call = asyncio.create_task(together.do(1))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1):
        await together.close()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_batch_ends_when_the_last_of_its_callers_has_no_time_left() -> None:
    ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    begun = asyncio.get_running_loop().time()
    left: list[float] = []

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        left.append(deadline.remaining(30))
        try:
            await asyncio.sleep(5)
        finally:
            ended.set_result(asyncio.get_running_loop().time() - begun)
        return items

    together: Batcher[int, int] = Batcher(work, lambda item: [item])

    async def call(item: int, seconds: float) -> None:
        deadline.start(seconds)
        async with asyncio.timeout(seconds):
            await together.do(item)

    calls = [asyncio.create_task(call(item, seconds)) for item, seconds in ((1, 0.1), (2, 0.4))]
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(3):
        assert 0.35 < await ended < 2
    assert len(left) == 1
    assert 0.3 < left[0] <= 0.4


async def test_who_waits_longer_than_a_batch_may_take_learns_that_the_deadline_was_reached() -> None:
    work = Work(takes_s=5)

    async def call() -> None:
        # The batch has this caller's time, and a caller without a timeout of its own sees the batch's.
        deadline.start(0.05)
        with pytest.raises(DeadlineReached):
            await batcher(work).do(1)

    await asyncio.create_task(call())


class Locks:
    """Work on named rows, some of which somebody else has locked; a batch skips those, `alone` waits for them a while.
    A row whose name is a digit is let go as soon as a batch has skipped it."""

    def __init__(self, *locked: str, patience_s: float = 0.02) -> None:
        self.patience_s = patience_s
        self.locked = {name: asyncio.Event() for name in locked}
        self.order: list[str] = []

    async def together(self, items: Sequence[str]) -> Sequence[str | Busy]:
        await asyncio.sleep(0.005)
        if "spoiler" in items:
            raise KeyError("one of them")
        self.order += [item for item in items if item[0] not in self.locked]
        return [BUSY if item[0] in self.locked or item[0].isdigit() else item.upper() for item in items]

    async def alone(self, item: str) -> str | Busy:
        if item == "spoiler":
            raise ValueError("this one")
        if item[0] in self.locked:
            try:
                await asyncio.wait_for(self.locked[item[0]].wait(), self.patience_s)
            except TimeoutError:
                return BUSY
        self.order.append(item)
        return item.upper()

    def batcher(self) -> Batcher[str, str]:
        return Batcher(self.together, lambda item: [item[0]], alone=self.alone, spoiled=(KeyError,))


async def test_a_locked_row_holds_up_only_those_who_want_it_and_they_keep_their_order() -> None:
    locks = Locks("x")
    together = locks.batcher()
    waiting = [asyncio.create_task(together.do(item)) for item in ("x1", "x2", "x3")]
    async with asyncio.timeout(1):
        for _ in range(3):
            assert await asyncio.gather(*(together.do(item) for item in "abcd")) == list("ABCD")
    assert not any(task.done() for task in waiting)
    locks.locked.pop("x").set()
    async with asyncio.timeout(1):
        assert await asyncio.gather(*waiting) == ["X1", "X2", "X3"]
    assert [item for item in locks.order if item[0] == "x"] == ["x1", "x2", "x3"]


async def test_who_gives_up_waiting_for_a_lock_leaves_it_to_the_next() -> None:
    locks = Locks("x")
    together = locks.batcher()
    first, second = (asyncio.create_task(together.do(item)) for item in ("x1", "x2"))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.sleep(0.05)
    locks.locked.pop("x").set()
    async with asyncio.timeout(1):
        assert await second == "X2"
    assert locks.order == ["x2"]


async def test_one_that_spoils_its_batch_fails_alone() -> None:
    together = Locks().batcher()
    results = await asyncio.gather(*(together.do(item) for item in ("a", "spoiler", "b")), return_exceptions=True)
    assert (results[0], results[2]) == ("A", "B")
    assert isinstance(results[1], ValueError)


async def test_closing_ends_who_waits_alone_too() -> None:
    locks = Locks("x")
    together = locks.batcher()
    waiting = [asyncio.create_task(together.do(item)) for item in ("x1", "x2")]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await together.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_who_finds_the_lock_let_go_does_not_wait_for_those_whose_locks_are_held() -> None:
    locks = Locks(*"tuvwxy")
    together = locks.batcher()
    waiting = [asyncio.create_task(together.do(item)) for item in "tuvwxy"]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert await asyncio.gather(*(together.do(item) for item in "123")) == list("123")
    assert not any(task.done() for task in waiting)
    for name in "tuvwxy":
        locks.locked.pop(name).set()
    async with asyncio.timeout(1):
        assert await asyncio.gather(*waiting) == list("TUVWXY")


async def test_who_waits_for_a_lock_learns_when_the_time_is_over() -> None:
    async def call() -> None:
        deadline.start(0.1)
        with pytest.raises(DeadlineReached):
            await Locks("x").batcher().do("x1")

    async with asyncio.timeout(1):
        await asyncio.create_task(call())


async def test_closing_begins_nothing_new() -> None:
    work = Work(takes_s=60)
    together = batcher(work, most=10)
    calls = [asyncio.create_task(together.do(item)) for item in range(20, 90)]
    await asyncio.sleep(0.01)
    begun = len(work.batches)
    async with asyncio.timeout(1):
        await together.close()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert len(work.batches) == begun


async def test_those_whose_batch_was_spoiled_do_not_wait_for_those_who_wait_for_locks() -> None:
    locks = Locks(*"tuvwxy", patience_s=5)
    together = locks.batcher()
    waiting = [asyncio.create_task(together.do(item)) for item in "tuvwxy"]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        results = await asyncio.gather(*(together.do(item) for item in ("a", "spoiler", "b")), return_exceptions=True)
    assert (results[0], results[2]) == ("A", "B")
    for name in "tuvwxy":
        locks.locked.pop(name).set()
    async with asyncio.timeout(1):
        assert await asyncio.gather(*waiting) == list("TUVWXY")


async def test_whatever_happens_each_key_is_used_by_one_at_a_time_in_order_and_nothing_stays_behind() -> None:
    class Item:
        def __init__(self, number: int) -> None:
            self.number = number
            self.keys = random.sample("abcdefgh", random.choice((1, 1, 2, 3)))

    used: set[str] = set()
    order: dict[str, list[int]] = {key: [] for key in "abcdefgh"}

    async def using(items: Sequence[Item]) -> None:
        keys = [key for item in items for key in item.keys]
        assert len(set(keys)) == len(keys)
        assert used.isdisjoint(keys)
        used.update(keys)
        try:
            await asyncio.sleep(random.choice((0, 0.001)))
        finally:
            used.difference_update(keys)

    def done(item: Item) -> int:
        for key in item.keys:
            order[key].append(item.number)
        return item.number

    async def together(items: Sequence[Item]) -> Sequence[int | Exception | Busy]:
        await using(items)
        if random.random() < 0.1:
            raise KeyError
        return [BUSY if random.random() < 0.1 else done(item) for item in items]

    async def alone(item: Item) -> int:
        await using([item])
        return done(item)

    batches: Batcher[Item, int] = Batcher(together, lambda item: item.keys, alone=alone, spoiled=(KeyError,), most=8)
    left: weakref.WeakSet[Item] = weakref.WeakSet()

    async def call(number: int) -> int | None:
        item = Item(number)
        left.add(item)
        try:
            async with asyncio.timeout(random.choice((None, None, 0.005))):
                return await batches.do(item)
        except TimeoutError:
            return None

    for _ in range(30):
        calls = []
        for number in range(60):
            calls.append(asyncio.create_task(call(number)))
            if random.random() < 0.3:
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            results = await asyncio.gather(*calls)
        assert all(result in (None, number) for number, result in enumerate(results))
        async with asyncio.timeout(5):
            while used:
                await asyncio.sleep(0.001)
        assert all(numbers == sorted(numbers) for numbers in order.values())
        for numbers in order.values():
            numbers.clear()
    await batches.close()
    del calls
    gc.collect()
    assert len(left) == 0
