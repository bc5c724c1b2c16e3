"""All that was found, for programs."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from deploy.doctor.finding import Examined, Severity


@dataclass(frozen=True)
class Report:
    """What was found about each part; `source` says where the parts are known from."""

    source: str
    parts: tuple[Examined, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many problems, notices and fine things there are."""
        found = Counter(finding.severity for part in self.parts for finding in part.findings)
        return {severity.value: found[severity] for severity in Severity}

    @property
    def well(self) -> bool:
        """Whether there is no problem."""
        return self.counts[Severity.PROBLEM.value] == 0

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        parts = [
            {
                "part": part.part,
                "address": part.address,
                "findings": [{**asdict(finding), "severity": finding.severity.value} for finding in part.findings],
            }
            for part in self.parts
        ]
        return {"well": self.well, "looked_at": self.source, "counts": self.counts, "parts": parts}
