"""Examines the processes of the services: their health, and their metrics over a window."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from deploy.doctor.finding import Examined, Finding, problem
from deploy.doctor.limits import Limits
from deploy.doctor.processes import answers, errors, health, pools, replicas, upkeep
from deploy.doctor.processes.sample import Sample, scrape
from deploy.doctor.targets import Process

Samples = Mapping[Process, Sample | Exception]


async def first_look(processes: Sequence[Process]) -> Samples:
    """The metrics of each process that shows any, at the beginning of the window, or why they could not be had."""
    shown = [process for process in processes if process.metrics]
    return dict(zip(shown, await asyncio.gather(*map(_scrape, shown)), strict=True))


def pool_sizes(samples: Samples) -> Mapping[str, int]:
    """How many connections the processes of each service may open together."""
    found = Counter[str]()
    for process, sample in samples.items():
        if isinstance(sample, Sample):
            found[process.service] += pools.size(sample)
    return found


async def examine(processes: Sequence[Process], first: Samples, window_s: float, limits: Limits) -> list[Examined]:
    """What is found about each of them. Takes a little longer than `window_s`."""
    return list(await asyncio.gather(*(_examine(each, first.get(each), window_s, limits) for each in processes)))


async def _examine(process: Process, before: Sample | Exception | None, window_s: float, limits: Limits) -> Examined:
    looks = (_health(process), _metrics(process, before, window_s, limits))
    found = [each for group in await asyncio.gather(*looks) for each in group]
    return Examined(f"service {process.name}", process.rpc or process.metrics, tuple(found))


async def _health(process: Process) -> list[Finding]:
    if not process.rpc:
        return []
    why = "the gateway sends it no calls; where it is the only one, its calls end in UNAVAILABLE"
    do = "see its log: one that is NOT_SERVING says there which store it misses; one that is down wants a start"
    return [await health.look(process.rpc, why, do)]


async def _metrics(
    process: Process, before: Sample | Exception | None, window_s: float, limits: Limits
) -> list[Finding]:
    if before is None:
        return []
    after: Sample | Exception = before
    if isinstance(before, Sample):
        await asyncio.sleep(window_s)
        after = await _scrape(process)
        if isinstance(after, Sample):
            return _of_metrics(before, after, window_s, limits)
    why, do = "nobody sees its errors, pools and calls", "see whether it runs, and its METRICS_LISTEN"
    return [problem("metrics", f"no metrics at {process.metrics}: {after}", why, do)]


def _of_metrics(before: Sample, after: Sample, window_s: float, limits: Limits) -> list[Finding]:
    return [
        *answers.look(before, after, window_s, limits),
        *pools.look(before, after, window_s),
        *replicas.look(after, limits),
        *errors.look(before, after),
        *upkeep.cache(before, after, limits),
        *upkeep.background(before, after),
    ]


async def _scrape(process: Process) -> Sample | Exception:
    try:
        return await scrape(process.metrics)
    except (OSError, ValueError) as error:
        return error
