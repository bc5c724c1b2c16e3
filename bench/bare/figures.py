"""What the store does of an operation when nobody else stands before it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bare:
    """`calls_per_s` of the operation's part in its store, and how long one took; CPU of the store in µs for each."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    store_cpu_us: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the ordered values do not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
