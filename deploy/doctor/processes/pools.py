"""A process's pool of connections to PostgreSQL."""

from deploy.doctor.finding import Figure, Finding, graded, ok, problem
from deploy.doctor.processes.sample import Sample
from deploy.doctor.text import duration

_WHY = "calls wait for a connection, then are refused as OVERLOADED"
_DO = (
    "see what holds the connections (lock waits, slow statements above); where they only have much to do, raise "
    "CONNECTION_POOL_SIZE, within PostgreSQL's max_connections"
)


def size(sample: Sample) -> int:
    """How many connections the process may open to PostgreSQL, and as many to each replica; 0 where it does not say
    so."""
    return int(sample.total("db_connections_max", store="postgresql"))


def look(before: Sample, after: Sample, window_s: float) -> list[Finding]:
    """Whether all connections of a pool are in use, at both ends of the window."""
    found = []
    for (store,), most in after.by("db_connections_max", "store").items():
        active = [int(sample.total("db_connections_active", store=store)) for sample in (before, after)]
        waiting = [int(sample.total("db_connections_waiting", store=store)) for sample in (before, after)]
        what = f"{active[1]} of {most} connections to {store} are in use, {waiting[1]} callers wait for one"
        figures: dict[str, Figure] = {"store": store, "active": active[1], "size": most, "waiting": waiting[1]}
        if min(active) >= most:
            what = f"all {most} connections to {store} were in use {duration(window_s)} ago and are now; "
            what += f"{waiting[1]} callers wait for one"
            found.append(problem("pool", what, _WHY, _DO, **figures))
        elif max(waiting) > 0:
            found.append(graded(min(waiting) > 0)("pool", what, _WHY, _DO, **figures))
        else:
            found.append(ok("pool", what, **figures))
    return found
