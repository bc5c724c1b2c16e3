"""How long the current call may still take. A policy sets it when the call begins; whatever waits further down asks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def start(seconds: float) -> None:
    """Gives the current task, and those it starts from now on, `seconds` from now."""
    _deadline.set(asyncio.get_running_loop().time() + seconds)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Gives what runs inside this context `seconds` from now, and never more than there was before."""
    before = _deadline.set(asyncio.get_running_loop().time() + remaining(seconds))
    try:
        yield
    finally:
        _deadline.reset(before)


def remaining(at_most: float) -> float:
    """Seconds left, never below 0, and `at_most` where there is more or no deadline at all."""
    deadline = _deadline.get()
    if deadline is None:
        return at_most
    return max(0.0, min(at_most, deadline - asyncio.get_running_loop().time()))


def until(at_most: float) -> float:
    """The same as a moment in the event loop's time, for whoever does the work in another task."""
    return asyncio.get_running_loop().time() + remaining(at_most)


def passed() -> bool:
    """Whether no time is left."""
    deadline = _deadline.get()
    return deadline is not None and asyncio.get_running_loop().time() >= deadline
