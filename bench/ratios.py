"""What the suite's figures were, as ratios that hold from machine to machine: bench/ratios.json, which is committed.

Of each operation with 64 callers: the share of the empty call's calls a second, straight and through the gateway, and
what the gateway leaves of the straight calls.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import GATEWAY, SERVICE, Run

FILE = Path(__file__).parent / "ratios.json"
CALLERS = 64
WORSE_BY = 0.15
_KINDS = {
    "service": "share of the empty call, straight",
    "gateway": "share of the empty call, through the gateway",
    "gateway_of_service": "through the gateway, of straight",
}


@dataclass(frozen=True)
class Ratios:
    """Those of one operation; None where it was not measured that way."""

    service: float | None = None
    gateway: float | None = None
    gateway_of_service: float | None = None


@dataclass(frozen=True)
class Compared:
    """One ratio beside the one that was kept."""

    operation: str
    what: str
    kept: float
    now: float

    @property
    def change(self) -> float:
        """-0.2 is a fifth worse."""
        return self.now / self.kept - 1

    @property
    def fails(self) -> bool:
        """Whether it is worse by more than is allowed."""
        return self.change < -WORSE_BY


def of_run(run: Run) -> dict[str, Ratios]:
    """The ratios of a run, by operation; no rows with 64 callers, no ratios."""
    found = {}
    for name in run.operations:
        straight, through = (run.row(name, via, CALLERS) for via in (SERVICE, GATEWAY))
        if straight or through:
            both = straight and through and straight.calls_per_s
            found[name] = Ratios(
                service=straight.share_of_empty if straight else None,
                gateway=through.share_of_empty if through else None,
                gateway_of_service=through.calls_per_s / straight.calls_per_s
                if through and straight and both
                else None,
            )
    return found


def compared(kept: Mapping[str, Ratios], now: Mapping[str, Ratios]) -> list[Compared]:
    """Each ratio that both have, in the order of `now`."""
    pairs = []
    for name, ratios in now.items():
        before = kept.get(name, Ratios())
        for field, what in _KINDS.items():
            old, new = getattr(before, field), getattr(ratios, field)
            if old and new is not None:
                pairs.append(Compared(name, what, old, new))
    return pairs


def load(file: Path = FILE) -> dict[str, Ratios]:
    """The kept ones. Raises OSError."""
    content: dict[str, Any] = json.loads(file.read_text())
    return {name: Ratios(**ratios) for name, ratios in content["operations"].items()}


def keep(run: Run, file: Path = FILE) -> None:
    """Writes a run's ratios; operations that the run did not measure keep theirs."""
    kept = load(file) if file.exists() else {}
    merged = kept | of_run(run)
    operations = {
        name: {field: value if value is None else float(f"{value:.3g}") for field, value in asdict(ratios).items()}
        for name, ratios in merged.items()
    }
    content = {"run": run.name, "callers": CALLERS, "machine": dict(run.machine), "operations": operations}
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
