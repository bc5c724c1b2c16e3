"""A process's metrics at one moment."""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families

_ANSWER_S = 2

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

    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(await asyncio.to_thread(_read, f"http://{address}/metrics")):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Sample({name: tuple(values) for name, values in found.items()})


def _read(url: str) -> str:
    # Without the proxies of the environment: services are near.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER_S) as page:
            return str(page.read(), "utf-8")
    except HTTPException as error:
        raise OSError(f"not HTTP as it should be: {error!r}") from error
