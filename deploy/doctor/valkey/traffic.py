"""What a server does for its clients: connections, evictions, hits."""

from deploy.doctor.finding import Finding, graded, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.text import percent
from deploy.doctor.valkey.server import Info, count, keys_of


def look(before: Info, after: Info, window_s: float, limits: Limits, *, keeps: bool) -> list[Finding]:
    """From what was counted so far, and in the window between two looks."""
    hits = _hits(before, after, limits)
    return [
        *_clients(before, after),
        *_evictions(before, after, window_s, hits, limits, keeps=keeps),
        *([] if keeps else [_lookups(hits, after, limits), *_lasting(after)]),
        _work(before, after, window_s),
    ]


def _work(before: Info, after: Info, window_s: float) -> Finding:
    commands = (count(after, "total_commands_processed") - count(before, "total_commands_processed")) / window_s
    keys, _ = keys_of(after)
    what = f"{commands:.0f} commands a second now; {keys:,} keys"
    return ok("work", what, commands_per_s=round(commands, 1), keys=keys)


def _clients(before: Info, after: Info) -> list[Finding]:
    clients, most = count(after, "connected_clients"), count(after, "maxclients")
    rejected, blocked = count(after, "rejected_connections"), count(after, "blocked_clients")
    figures = {"clients": clients, "maxclients": most, "rejected": rejected, "blocked": blocked}
    found = []
    if rejected:
        now = rejected - count(before, "rejected_connections")
        what = f"{rejected} connections were turned away, {now} of them just now; {clients} of {most} are open"
        do = "find out who opens so many (CLIENT LIST), or raise maxclients and the limit of open files"
        found.append(graded(now > 0 or clients >= most)("clients", what, "a service may be one of them", do, **figures))
    if blocked:
        why = "no service of this suite uses a command that waits: somebody else does, or a script runs on"
        found.append(notice("clients", f"{blocked} clients wait inside a command", why, "CLIENT LIST", **figures))
    return found or [ok("clients", f"{clients} of {most}; none was turned away", **figures)]


def _hits(before: Info, after: Info, limits: Limits) -> tuple[float, int]:
    """Hits of all lookups in the window, or since the start where there were few; and how many lookups those were."""
    for earlier in (before, {}):
        hits = count(after, "keyspace_hits") - count(earlier, "keyspace_hits")
        lookups = hits + count(after, "keyspace_misses") - count(earlier, "keyspace_misses")
        if lookups >= limits.lookups:
            return hits / lookups, lookups
    return 1.0, 0


def _evictions(
    before: Info, after: Info, window_s: float, hits: tuple[float, int], limits: Limits, *, keeps: bool
) -> list[Finding]:
    evicted = count(after, "evicted_keys")
    rate = (evicted - count(before, "evicted_keys")) / window_s
    figures = {"evicted": evicted, "evicted_per_s": round(rate, 1)}
    if not evicted:
        return [ok("evictions", "none", **figures)]
    what = f"{evicted:,} keys were thrown away for want of memory, {rate:.0f} a second now"
    if keeps:
        do = "set maxmemory-policy noeviction, raise maxmemory, and restore the boards from a backup"
        return [
            problem("evictions", what, "they were boards, entries or request records: they are lost", do, **figures)
        ]
    thrashing = rate > 0 and hits[0] < limits.hits_notice_ratio
    why = "players that are still read fall out, and each costs a read of the database"
    do = "raise maxmemory (CACHE_MAXMEMORY), or lower CACHE_TTL_S"
    return [graded(thrashing)("evictions", what, why, do, **figures)]


def _lookups(hits: tuple[float, int], after: Info, limits: Limits) -> Finding:
    ratio, lookups = hits
    if not lookups:
        return ok("hits", "too few lookups to say")
    what, figures = (
        f"{percent(ratio)} of {lookups:,} lookups of keys",
        {"hit_ratio": round(ratio, 4), "lookups": lookups},
    )
    if ratio >= limits.hits_notice_ratio:
        return ok("hits", what, **figures)
    why = "the database does the work that the cache is there for; when many miss at once, it is overrun (a stampede)"
    do = "raise CACHE_TTL_S; raise maxmemory where keys are evicted; a cache that was just emptied needs a while"
    return notice("hits", what, why, do, **figures, expired=count(after, "expired_keys"))


def _lasting(after: Info) -> list[Finding]:
    keys, expiring = keys_of(after)
    lasting = keys - expiring
    if not lasting:
        return []
    why = "volatile-lru never makes room by them; what was never to expire goes stale"
    do = "find out who writes them: the services set a time to live on every key; is it another program's cache too?"
    return [notice("lasting keys", f"{lasting:,} of {keys:,} keys never expire", why, do, lasting=lasting, keys=keys)]
