"""Figures and queries as people read them."""

from collections.abc import Iterable
from pathlib import Path

_BYTES = (("GB", 1024**3), ("MB", 1024**2), ("kB", 1024))
_SECONDS = (("d", 86_400), ("h", 3600), ("min", 60))
_LONGEST_QUERY = 70


def size(count: float) -> str:
    """12.3 MB."""
    for unit, one in _BYTES:
        if abs(count) >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """5 ms, 1.5 s, 3 min, 4 h, 5 d."""
    for unit, one in _SECONDS:
        if seconds >= 2 * one:
            return f"{seconds / one:.0f} {unit}"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 or not seconds else f"{seconds * 1000:.2g} ms"


def percent(ratio: float) -> str:
    """99.5 %."""
    return f"{100 * ratio:.1f} %"


def sql(query: str | None) -> str:
    """A statement on one line, its end cut off."""
    line = " ".join((query or "").split())
    return line if len(line) <= _LONGEST_QUERY else f"{line[: _LONGEST_QUERY - 2]} …"


def place(address: str) -> str:
    """An address; a path below the working directory without that."""
    return address.removeprefix(f"{Path.cwd()}/")


def names(given: Iterable[str], most: int = 5) -> str:
    """a, b, c and 4 more."""
    every = list(given)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
