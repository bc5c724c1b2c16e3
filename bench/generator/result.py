"""What a generator found, as it travels back from its process: one line of JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.generator import outcome


@dataclass(frozen=True)
class Times:
    """So many calls, and their latencies."""

    calls: int = 0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


@dataclass(frozen=True)
class Measured:
    """One operation in the measured time: its right answers, and what failed by kind (CODE/REASON) with messages."""

    right: Times
    failures: Mapping[str, Times]
    samples: Mapping[str, Sequence[str]]

    @property
    def failed(self) -> dict[str, int]:
        """How many failed, by kind. A call that its caller cancelled has not failed."""
        return {kind: times.calls for kind, times in self.failures.items() if kind != outcome.CANCELLED}


@dataclass(frozen=True)
class Result:
    """`operations`: what the measured `seconds` saw. `ended`: all calls ever, by operation and kind ("" is right).

    `cpu_s`: the generator's own CPU in the measured time; `charged_s`: that of the processes the plan names.
    `began_at`: when measuring began, as time.time() has it. `right_by_slice`: right answers of all operations in each
    `slice_s` seconds since then. `id_prefix` is what the UUIDs that it gave to its calls begin with, 24 characters.
    """

    seconds: float
    cpu_s: float
    charged_s: Mapping[str, float]
    began_at: float
    slice_s: float
    right_by_slice: Sequence[int]
    operations: Mapping[str, Measured]
    ended: Mapping[str, Mapping[str, int]]
    id_prefix: str

    @property
    def calls(self) -> int:
        """Right answers in the measured time."""
        return sum(measured.right.calls for measured in self.operations.values())

    @property
    def calls_per_s(self) -> float:
        """Right answers a second."""
        return self.calls / self.seconds

    @property
    def cpu_us(self) -> float:
        """The generator's CPU for each call that ended, in µs."""
        return self._per_call_us(self.cpu_s)

    def charged_us(self, name: str) -> float:
        """The CPU of one of the plan's processes for each call that ended, in µs."""
        return self._per_call_us(self.charged_s[name])

    def _per_call_us(self, cpu_s: float) -> float:
        ended = sum(
            measured.right.calls + sum(times.calls for times in measured.failures.values())
            for measured in self.operations.values()
        )
        return 1e6 * cpu_s / max(1, ended)

    @property
    def failed(self) -> dict[str, int]:
        """What failed of all the calls ever, by kind."""
        kinds: dict[str, int] = {}
        for counts in self.ended.values():
            for kind, count in counts.items():
                if kind not in ("", outcome.CANCELLED):
                    kinds[kind] = kinds.get(kind, 0) + count
        return kinds

    @property
    def answered(self) -> int:
        """The right answers of all the calls ever."""
        return sum(counts.get("", 0) for counts in self.ended.values())

    @property
    def cancelled(self) -> int:
        """The calls that their callers cancelled, of all ever."""
        return sum(counts.get(outcome.CANCELLED, 0) for counts in self.ended.values())

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> "Result":
        """What `to_json` wrote."""
        fields: dict[str, Any] = json.loads(line)
        fields["operations"] = {name: _measured(measured) for name, measured in fields["operations"].items()}
        return cls(**fields)


def _measured(fields: dict[str, Any]) -> Measured:
    failures = {kind: Times(**times) for kind, times in fields["failures"].items()}
    return Measured(Times(**fields["right"]), failures, fields["samples"])
