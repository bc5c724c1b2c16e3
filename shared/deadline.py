"""How long the current call may still take. The call's wrapper sets it; whatever waits below asks."""

import asyncio
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def start(seconds: float) -> None:
    """Gives the current task, and those it starts from now on, `seconds` from now."""
    _deadline.set(asyncio.get_running_loop().time() + seconds)


def remaining(at_most: float) -> float:
    """Seconds left, never below 0, and `at_most` where there is more or no deadline at all."""
    deadline = _deadline.get()
    if deadline is None:
        return at_most
    return max(0.0, min(at_most, deadline - asyncio.get_running_loop().time()))


def until(at_most: float) -> float:
    """The same as a moment in the event loop's time, for whoever does the work in another task."""
    return asyncio.get_running_loop().time() + remaining(at_most)
