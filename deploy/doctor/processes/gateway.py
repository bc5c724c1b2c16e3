"""The gateway: whether a call through it reaches every service."""

import asyncio

from deploy.doctor.finding import Examined, Finding, notice, ok, problem
from deploy.doctor.processes import health
from deploy.doctor.processes.sample import Sample, scrape
from deploy.doctor.targets import Gateway

_HEALTHY, _TOTAL = "envoy_cluster_membership_healthy", "envoy_cluster_membership_total"
_CLUSTER = "envoy_cluster_name"
# Envoy's way to its own admin page, and the cluster that is made of the others.
_INNER = ("admin", "suite")


async def examine(target: Gateway, window_s: float) -> Examined:
    """What is found about it. Takes a little longer than `window_s`."""
    found: list[Finding] = []
    if target.rpc:
        why = "game servers reach nothing, or not every service"
        do = "see whether Envoy runs, and which service it cannot reach (clusters, below)"
        found.append(await health.look(target.rpc, why, do))
    if target.metrics:
        try:
            before = await scrape(target.metrics)
            await asyncio.sleep(window_s)
            found.extend(clusters(before, await scrape(target.metrics)))
        except (OSError, ValueError) as error:
            why, do = "nobody sees how it is", "see whether Envoy runs, and where it shows its metrics"
            found.append(problem("metrics", f"no metrics at {target.metrics}: {error}", why, do))
    return Examined("gateway", target.rpc or target.metrics, tuple(found))


def clusters(before: Sample, after: Sample) -> list[Finding]:
    """Each service's processes that get calls, of those that there are."""
    healthy, total = after.by(_HEALTHY, _CLUSTER), after.by(_TOTAL, _CLUSTER)
    found = []
    for (name,), count in sorted(total.items()):
        if name in _INNER or healthy[(name,)] == count > 0:
            continue
        what = f"{healthy[(name,)]} of {count} processes of {name} get calls"
        why = "the others do the work of those that are down" if healthy[(name,)] else "its calls end in UNAVAILABLE"
        do = f"start {name} again, and see its log; a process that says NOT_SERVING says there why"
        found.append(problem("clusters", what, why, do, cluster=name, healthy=healthy[(name,)], processes=count))
    shown = ", ".join(
        f"{name} {healthy[(name,)]} of {count}" for (name,), count in sorted(total.items()) if name not in _INNER
    )
    overflow = "envoy_cluster_upstream_rq_pending_overflow"
    if refused := int(after.total(overflow) - before.total(overflow)):
        why = "more calls wait for a service than the gateway holds"
        do = "look at that service's findings: it is far behind"
        found.append(
            notice("clusters", f"{refused} calls were refused by the gateway just now", why, do, refused=refused)
        )
    return found or [ok("clusters", f"healthy: {shown}")]
