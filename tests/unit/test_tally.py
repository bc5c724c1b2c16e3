"""Counts in plain numbers are scraped as prometheus_client's own are."""

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from shared.telemetry.tally import CountsByLabels, DurationsByLabels

BOUNDS = (0.0005, 0.01, 1, 2.5)
VALUES = (0.0, 0.0005, 0.00050001, 0.01, 0.5, 1, 2.4, 2.5, 2.6, 1e9)


def scraped(registry: CollectorRegistry) -> list[str]:
    """Both formats, without the moments at which the counting began."""
    text = generate_latest(registry).decode() + openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    return sorted(re.sub(r"(_created\{.*\}) .*", r"\1", text).splitlines())


def test_a_histogram_is_that_of_the_library() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = DurationsByLabels("took_seconds", "How long.", ("rpc", "code"), BOUNDS, ours)
    histogram = Histogram("took_seconds", "How long.", ("rpc", "code"), buckets=BOUNDS, registry=theirs)
    for labels in (("Get", "OK"), ("Get", "NOT_FOUND"), ("List", "OK")):
        for value in VALUES:
            durations.of(*labels).add(value)
            histogram.labels(*labels).observe(value)
    assert scraped(ours) == scraped(theirs)


def test_a_counter_is_that_of_the_library() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = CountsByLabels("lookups", "What for.", ("cache", "result"), ours)
    counter = Counter("lookups", "What for.", ("cache", "result"), registry=theirs)
    for result, times in (("hit", 3), ("miss", 0)):
        counts.of("players", result).value += times
        counter.labels("players", result).inc(times)
    assert scraped(ours) == scraped(theirs)
