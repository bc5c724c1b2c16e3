"""How the calls of one operation ended."""

from collections import defaultdict
from typing import Any

from bench.generator.latency import Latencies

_SAMPLES = 5


class Tally:
    """Latencies of the right answers, and of each kind of failure; of a kind the first few messages."""

    def __init__(self) -> None:
        self.right = Latencies()
        self.failures: defaultdict[str, Latencies] = defaultdict(Latencies)
        self.samples: defaultdict[str, list[str]] = defaultdict(list)

    def failed(self, kind: str, message: str, microseconds: int) -> None:
        """One more that failed."""
        self.failures[kind].add(microseconds)
        samples = self.samples[kind]
        if message and len(samples) < _SAMPLES and message not in samples:
            samples.append(message)

    def counts(self) -> dict[str, int]:
        """How many ended in which way; "" are the right ones."""
        return {"": self.right.count} | {kind: seen.count for kind, seen in self.failures.items()}

    def summary(self) -> dict[str, Any]:
        """As bench.generator.result.Measured takes it."""
        return {
            "right": _summary(self.right),
            "failures": {kind: _summary(seen) for kind, seen in self.failures.items()},
            "samples": dict(self.samples),
        }


def _summary(seen: Latencies) -> dict[str, float]:
    return {
        "calls": seen.count,
        "p50_ms": seen.quantile_ms(0.5),
        "p90_ms": seen.quantile_ms(0.9),
        "p99_ms": seen.quantile_ms(0.99),
        "max_ms": seen.longest_us / 1000,
    }
