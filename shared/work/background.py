"""Background work: what a process does beside its calls. None of it ends unseen.

When a job ends, whatever it raised, and even if it just returned, this is logged with its traceback and counted, and
the job is begun anew after a wait that grows. A vital job is one that the process cannot do without: when it fails, the
process ends.

Work that ends by itself, such as one batch or one refresh, is begun with `once`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from shared.contract.errors import SavepointError

T = TypeVar("T")

_log = logging.getLogger("savepoint.background")

# Before a job is begun anew: this long, twice as long after each further failure, and never longer than the last.
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
# How long a stop waits for a job that was cancelled; tests/unit/test_bounds.py adds it up with what else a stop takes.
ENDS_WITHIN_S = 1.0


class Count(Protocol):
    """A counter, as of prometheus_client."""

    def inc(self) -> Any:
        """One more."""


# The counter of a job's failures, by the job's name; shared/telemetry/metrics.py has it.
Failures = Callable[[str], Count]


class BackgroundError(Exception):
    """Vital work failed: the process must end, so that whoever looks after it starts it anew."""


@dataclass(frozen=True)
class Job:
    """Work that goes on until it is cancelled. `name` is its label in logs and metrics."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    vital: bool = False


class Background:
    """The jobs of one owner, which starts them and ends them.

    `give_up` is called when a vital one has failed; `failure` says why.
    """

    def __init__(self, failures: Failures, give_up: Callable[[], None] = lambda: None) -> None:
        self._failures = failures
        self._give_up = give_up
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: BackgroundError | None = None

    def start(self, job: Job) -> None:
        """Begins a job, and begins it anew whenever it fails."""
        # The counter is 0 from the start. If it first appeared with the first failure, Prometheus would see no
        # increase.
        self._failures(job.name)
        self._tasks.append(asyncio.create_task(self._keep(job), name=f"keep {job.name}"))

    async def stop(self) -> None:
        """Cancels all jobs and waits until they have ended, ENDS_WITHIN_S at most."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            begun = loop.time()
            failure = await _outcome(job)
            self._failures(job.name).inc()
            if job.vital:
                _log.critical("vital work failed: the process ends", extra={"job": job.name}, exc_info=failure)
                self.failure = BackgroundError(f"background work failed: {job.name}: {_in_words(failure)}")
                self.failure.__cause__ = failure
                self._give_up()
                return
            if loop.time() - begun > LONGEST_WAIT_S:
                # It ran well for a while, so this is a new failure: wait as after a first one.
                wait_s = FIRST_WAIT_S
            _log.error(
                "background work failed; it is begun anew", extra={"job": job.name, "wait_s": wait_s}, exc_info=failure
            )
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


@asynccontextmanager
async def running(job: Job, failures: Failures) -> AsyncIterator[None]:
    """Runs one job while the context is open."""
    background = Background(failures)
    background.start(job)
    try:
        yield
    finally:
        await background.stop()


def once(work: Coroutine[Any, Any, T], name: str, owner: set[asyncio.Task[T]]) -> asyncio.Task[T]:
    """Begins work that ends by itself. Until then it is in the set `owner`; whoever has the set cancels and awaits the
    tasks in it.

    If it raises anything but a SavepointError, the loop's exception handler gets that at once, and logs and counts it
    (`report_unseen`)."""
    task = asyncio.create_task(work, name=name)
    owner.add(task)
    task.add_done_callback(owner.discard)
    task.add_done_callback(_tell)
    return task


def report_unseen(failures: Failures) -> None:
    """From now on, a task of the running loop that dies with an exception that nobody looks at is logged and counted
    by its name, whoever began it."""

    def unseen(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        task, failure = context.get("task", context.get("future")), context.get("exception")
        if not isinstance(task, asyncio.Task) or failure is None:
            loop.default_exception_handler(context)
            return
        name = task.get_name()
        # Tasks without a name of their own are numbered: in the metric, they are all one.
        job = "unnamed" if name.startswith("Task-") else name
        failures(job).inc()
        _log.error("a task failed, and nobody looked", extra={"job": job}, exc_info=failure)

    asyncio.get_running_loop().set_exception_handler(unseen)


def _tell(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    failure = task.exception()
    if failure is not None and not isinstance(failure, SavepointError):
        context = {"message": "a task failed", "exception": failure, "task": task}
        task.get_loop().call_exception_handler(context)


async def _outcome(job: Job) -> BaseException:
    """Why a job ended. It runs in a task of its own, so that it can raise anything at all: CancelledError too, which
    here is a failure unless this task was cancelled itself."""
    task = asyncio.create_task(job.run(), name=job.name)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task], timeout=ENDS_WITHIN_S)
        if not task.done():
            _log.error("background work does not end though it was cancelled", extra={"job": job.name})
        raise
    if task.cancelled():
        return asyncio.CancelledError("it was cancelled, and not by its owner")
    return task.exception() or RuntimeError("it returned, and should go on until it is cancelled")


def _in_words(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"
