"""How long the current call may still take. A policy sets it when the call begins; whatever waits further down asks.

Moments are those of time.monotonic, which is the clock of asyncio's loops and of uvloop's. Asking the running loop for
it instead takes five times as long, because finding the running loop is a system call (before Python 3.12).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def start(seconds: float) -> float:
    """Gives the current task, and those it starts from now on, `seconds` from now. Returns that moment."""
    end = time.monotonic() + seconds
    _deadline.set(end)
    return end


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Gives what runs inside this context `seconds` from now, and never more than there was before."""
    before = _deadline.set(time.monotonic() + remaining(seconds))
    try:
        yield
    finally:
        _deadline.reset(before)


def remaining(at_most: float) -> float:
    """Seconds left, never below 0, and `at_most` where there is more or no deadline at all."""
    deadline = _deadline.get()
    if deadline is None:
        return at_most
    return max(0.0, min(at_most, deadline - time.monotonic()))


def until(at_most: float) -> float:
    """The same as a moment, for whoever does the work in another task."""
    return time.monotonic() + remaining(at_most)


def passed() -> bool:
    """Whether no time is left."""
    deadline = _deadline.get()
    return deadline is not None and time.monotonic() >= deadline
