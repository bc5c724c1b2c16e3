"""Work beside the calls: whatever it raises is logged and counted, and it goes on."""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import pytest

from shared.work import background
from shared.work.background import Background, Job
from shared.work.batching import Batcher

ROOT = Path(__file__).parent.parent.parent
# Who begins tasks in another way looks at their ends: the pool's holders hand what they raise to their caller, and a
# connection of the HTTP/2 host logs what a handler raises.
LOOK_THEMSELVES = (
    "shared/work/background.py",
    "shared/work/together.py",
    "shared/stores/postgres/pool.py",
    "shared/rpc/http2/",
)


class Counter:
    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        self.value += 1


class Odd(BaseException):
    """Not even an Exception."""


async def soon(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_WAIT_S", 0.01)


@pytest.mark.parametrize("failure", [ValueError("odd"), asyncio.CancelledError(), GeneratorExit(), Odd("odd"), None])
async def test_a_job_is_logged_counted_and_begun_anew_whatever_it_raises(
    failure: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[int] = []

    async def run() -> None:
        begun.append(1)
        await asyncio.sleep(0)
        if len(begun) < 4:
            if failure:
                raise failure
            return
        await asyncio.Event().wait()

    counters = defaultdict[str, Counter](Counter)
    jobs = Background(lambda job: counters[job])
    jobs.start(Job("sweep", run))
    await soon(lambda: len(begun) == 4)
    assert counters["sweep"].value == 3
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [vars(line)["job"] for line in lines] == ["sweep"] * 3
    assert all(line.exc_info and line.exc_info[1] for line in lines)
    # Twice as long each time.
    assert [vars(line)["wait_s"] for line in lines] == [0.01, 0.02, 0.04]
    await jobs.stop()


@pytest.mark.parametrize("failure", [ValueError("odd"), asyncio.CancelledError(), Odd("odd")])
async def test_vital_work_that_fails_ends_everything(failure: BaseException) -> None:
    async def run() -> None:
        raise failure

    given_up = asyncio.Event()
    counter = Counter()
    jobs = Background(lambda _: counter, given_up.set)
    jobs.start(Job("health", run, vital=True))
    async with asyncio.timeout(5):
        await given_up.wait()
    assert str(jobs.failure).startswith(f"background work failed: health: {type(failure).__name__}")
    assert counter.value == 1
    await jobs.stop()


async def test_a_stop_waits_until_the_work_has_ended() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.set()

    counter = Counter()
    async with background.running(Job("sweep", run), lambda _: counter):
        await begun.wait()
    assert ended.is_set()
    assert counter.value == 0


async def test_what_is_begun_once_does_not_die_unseen(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        raise ValueError("odd")

    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    counters = defaultdict[str, Counter](Counter)
    background.report_unseen(lambda job: counters[job])
    try:
        owner: set[asyncio.Task[None]] = set()
        background.once(run(), "refresh", owner)
        await soon(lambda: not owner)
        unnamed = asyncio.create_task(run())
        await asyncio.wait([unnamed])
        del unnamed
        await soon(lambda: "unnamed" in counters)
    finally:
        loop.set_exception_handler(before)
    assert {job: counter.value for job, counter in counters.items()} == {"refresh": 1, "unnamed": 1}
    assert all("odd" in (record.exc_text or str(record.exc_info)) for record in caplog.records)


async def test_an_item_that_cannot_be_weighed_fails_alone() -> None:
    async def work(items: object) -> list[int | Exception]:
        return list(items)  # type: ignore[call-overload,no-any-return]

    def weigh(item: int) -> int:
        if item < 0:
            raise ValueError("it weighs nothing")
        return 1

    batcher: Batcher[int, int] = Batcher(work, keys=lambda item: (item,), weight=weigh)
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(ValueError, match="weighs nothing"):
                await batcher.do(-1)
        assert await batcher.do(7) == 7
    await batcher.close()


def test_nobody_begins_a_task_that_could_die_unseen() -> None:
    files = [file for folder in ("shared", "services") for file in (ROOT / folder).rglob("*.py")]
    names = [
        str(file.relative_to(ROOT))
        for file in files
        if any(way in file.read_text() for way in ("create_task(", "ensure_future(", "TaskGroup("))
    ]
    assert names
    assert not [name for name in names if not name.startswith(LOOK_THEMSELVES)]


async def test_a_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(background, "ENDS_WITHIN_S", 0.05)
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        begun.set()
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    async with asyncio.timeout(5):
        async with background.running(Job("stubborn", run), lambda _: Counter()):
            await begun.wait()
    assert "does not end" in caplog.text
    let_go.set()
    await asyncio.sleep(0)
