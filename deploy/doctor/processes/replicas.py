"""What a process sees of the replicas that it reads from: db_replica_lag_seconds."""

import math

from deploy.doctor.finding import Finding, graded, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.processes.sample import Sample
from deploy.doctor.text import duration

CHECK = "replicas"
_WHY = "reads that could go to it go to the primary, which has the more to do"


def look(after: Sample, limits: Limits) -> list[Finding]:
    """How far each is behind."""
    return [_one(labels["store"], lag, limits) for labels, lag in after.values.get("db_replica_lag_seconds", ())]


def _one(store: str, lag_s: float, limits: Limits) -> Finding:
    if math.isnan(lag_s):
        do = "see whether it runs, and DATABASE_REPLICA_URLS; the service comes back to it by itself"
        return problem(CHECK, f"{store} does not answer", _WHY, do, store=store)
    what = f"{store} is {duration(lag_s)} behind"
    if lag_s < limits.lag_notice_s:
        return ok(CHECK, what, store=store, lag_s=lag_s)
    do = "look at its own findings: disk, CPU, network, long queries, recovery_min_apply_delay"
    return graded(lag_s >= limits.lag_problem_s)(CHECK, what, _WHY, do, store=store, lag_s=lag_s)
