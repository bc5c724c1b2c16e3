"""Latencies in a fixed amount of memory, to within 0.2 %."""

_EXACT_BITS = 10
_EXACT = 1 << _EXACT_BITS
_DOUBLINGS = 23  # up to 2^33 µs, more than two hours


class Latencies:
    """How often each latency was seen: exactly below 1.024 ms, then in 512 steps each time it doubles."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_us = 0
        self._seen = [0] * (_EXACT + _DOUBLINGS * _EXACT // 2)

    def add(self, microseconds: int) -> None:
        """One more."""
        self.count += 1
        if microseconds > self.longest_us:
            self.longest_us = microseconds
        if microseconds >= _EXACT:
            doubled = microseconds.bit_length() - _EXACT_BITS
            microseconds = doubled * (_EXACT // 2) + (microseconds >> doubled)
        self._seen[microseconds] += 1

    def quantile_ms(self, share: float) -> float:
        """The latency that this share of the calls did not exceed; 0 when there were none."""
        rank = share * self.count
        seen = 0
        for step, times in enumerate(self._seen):
            seen += times
            if times and seen >= rank:
                return min(_microseconds(step), self.longest_us) / 1000
        return 0.0


def _microseconds(step: int) -> int:
    if step < _EXACT:
        return step
    doubled = (step - _EXACT // 2) // (_EXACT // 2)
    return (step - doubled * (_EXACT // 2)) << doubled
