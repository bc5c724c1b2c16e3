"""Memory: how much of how much, and what the server itself says about it."""

from redis.asyncio import Redis

from deploy.doctor.finding import Finding, graded, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.text import percent, size
from deploy.doctor.valkey.server import Info, count

_WELL = ("can't find any memory issue", "very little memory", "didn't find any")


def used(info: Info, limits: Limits, *, keeps: bool) -> list[Finding]:
    """Against maxmemory, or the machine's memory where there is none. A cache may be full."""
    memory, most = count(info, "used_memory"), count(info, "maxmemory")
    room = most or count(info, "total_system_memory")
    ratio = memory / room if room else 0.0
    of = f"maxmemory {size(most)}" if most else f"the machine's {size(room)}; no maxmemory"
    what = f"{size(memory)} of {of} ({percent(ratio)})"
    figures = {"used_bytes": memory, "maxmemory_bytes": most, "used_ratio": round(ratio, 4)}
    found = []
    if keeps and ratio >= limits.memory_notice_ratio:
        found.append(
            graded(ratio >= limits.memory_problem_ratio)(
                "memory",
                what,
                "when it is full, every write is refused and the leaderboards stand still"
                if most
                else "when the machine has no more, its kernel kills the server",
                "raise maxmemory and the machine's memory, delete boards that nobody reads, or lower REQUESTS_KEPT_S",
                **figures,
            )
        )
    found.extend(_fragmentation(info, limits))
    return found or [ok("memory", what, **figures)]


def _fragmentation(info: Info, limits: Limits) -> list[Finding]:
    ratio, wasted = float(info.get("mem_fragmentation_ratio") or 0), count(info, "mem_fragmentation_bytes")
    if ratio < limits.fragmentation_ratio or wasted < limits.fragmentation_bytes:
        return []
    what = f"the process has {ratio:.2f} times the memory that its data take: {size(wasted)} lie idle"
    why = "the machine runs out of memory before maxmemory is reached"
    do = "config set activedefrag yes, where the server was built for it; else restart it at a quiet time"
    return [notice("memory", what, why, do, fragmentation_ratio=ratio, wasted_bytes=wasted)]


async def doctor(client: "Redis") -> list[Finding]:
    """What MEMORY DOCTOR says."""
    said = str(await client.execute_command("MEMORY DOCTOR"))  # type: ignore[no-untyped-call]
    if any(sign in said for sign in _WELL):
        return [ok("memory doctor", "finds nothing")]
    issues = [line.strip(" *").partition(":")[0] for line in said.splitlines() if line.strip().startswith("*")]
    what = "the server's MEMORY DOCTOR reports: " + ("; ".join(issues) or " ".join(said.split()))
    return [notice("memory doctor", what, "memory is used otherwise than well", "read it whole: MEMORY DOCTOR")]


def policy(policy: str, info: Info, *, keeps: bool) -> list[Finding]:
    """What a full server does: a store must refuse writes, a cache must make room."""
    most = count(info, "maxmemory")
    if keeps and policy != "noeviction":
        why = "when memory is full, the server throws away boards and their entries without a word"
        return [
            problem("policy", f"maxmemory-policy is {policy}", why, "set maxmemory-policy noeviction", policy=policy)
        ]
    if not keeps and policy == "noeviction":
        why = "when memory is full, nothing more is cached: every read goes to the database"
        do = "set maxmemory-policy volatile-lru"
        found = problem if most else notice
        return [found("policy", f"maxmemory-policy is {policy}", why, do, policy=policy)]
    if not keeps and not most:
        why = "the cache grows until the machine's memory is used up, and its kernel kills the server"
        return [notice("policy", f"{policy}, but no maxmemory", why, "set maxmemory", policy=policy)]
    return [ok("policy", policy, policy=policy)]
