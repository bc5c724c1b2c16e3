"""What a process does beside its calls, and how its cache does."""

from deploy.doctor.finding import Finding, graded, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.processes.sample import Sample
from deploy.doctor.text import percent


def background(before: Sample, after: Sample) -> list[Finding]:
    """Background jobs that failed, and connections that a pool has lost."""
    found = []
    failures = after.by("background_failures_total", "job")
    for (job,), total in sorted(failures.items()):
        if total:
            now = total - before.by("background_failures_total", "job")[(job,)]
            what = f"the job {job} failed {total} times, {now} of them just now"
            why = "it is begun anew each time, and until it succeeds its work is not done"
            do = "see the service's log"
            found.append(graded(now > 0)("background", what, why, do, job=job, total=total, now=now))
    if lost := int(after.total("db_connections_lost_total")):
        what = f"the pool has lost {lost} connections, and was made anew"
        why = "each was missing until then; it should not happen"
        found.append(notice("background", what, why, "see the service's log, and report it", lost=lost))
    return found or [ok("background", f"none of {len(failures)} jobs has failed", jobs=len(failures))]


def cache(before: Sample, after: Sample, limits: Limits) -> list[Finding]:
    """Hits of the service's own look-ups, in the window where there were enough, else of all."""
    return [
        found for (name,) in after.by("cache_lookups_total", "cache") for found in _cache(name, before, after, limits)
    ]


def _cache(name: str, before: Sample, after: Sample, limits: Limits) -> list[Finding]:
    def counted(sample: Sample, result: str) -> float:
        return sample.total("cache_lookups_total", cache=name, result=result)

    hits, misses = (counted(after, result) - counted(before, result) for result in ("hit", "miss"))
    if hits + misses < limits.lookups:
        hits, misses = counted(after, "hit"), counted(after, "miss")
    lookups = int(hits + misses)
    if lookups < limits.lookups:
        return [ok("cache", f"{name}: too few lookups to say", lookups=lookups)]
    ratio = hits / lookups
    what, figures = (
        f"{name}: {percent(ratio)} of {lookups:,} lookups",
        {"hit_ratio": round(ratio, 4), "lookups": lookups},
    )
    if ratio >= limits.hits_notice_ratio:
        return [ok("cache", what, **figures)]
    why = "the database does the work that the cache is there for; when many miss at once, it is overrun (a stampede)"
    do = "see whether Valkey evicts, was emptied, or is down; raise CACHE_TTL_S; players who are changed at each read "
    do += "cannot be cached well"
    return [notice("cache", what, why, do, **figures)]
