"""A process's metrics at one moment."""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_ANSWER_S = 3

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """All values by name, with their labels."""

    values: Mapping[str, tuple[tuple[Labels, float], ...]]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the values with these labels; 0 where there are none."""
        return sum(value for its, value in self.values.get(name, ()) if labels.items() <= its.items())

    def by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """The sums of the values, by these labels."""
        found = Counter[tuple[str, ...]]()
        for its, value in self.values.get(name, ()):
            found[tuple(its.get(label, "") for label in labels)] += int(value)
        return found


async def scrape(address: str) -> Sample:
    """What host:port shows. Raises OSError where it does not answer, ValueError for what are no metrics."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=_ANSWER_S) as page:
            return str(page.read(), "utf-8")

    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(await asyncio.to_thread(read)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Sample({name: tuple(values) for name, values in found.items()})
