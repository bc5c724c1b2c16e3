"""How fast a server answers, and what held it up."""

import asyncio
import time

from redis.asyncio import Redis

from deploy.doctor.finding import Finding, graded, ok
from deploy.doctor.limits import Limits
from deploy.doctor.text import duration

_PINGS = 5
_ENTRIES = 50
_SHOWN = 60


async def latency(client: "Redis", limits: Limits) -> list[Finding]:
    """The fastest of a few PINGs: what every command waits at least."""
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await client.ping()
        took.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.01)
    best = min(took)
    what = f"PING is answered in {duration(best / 1000)} at best, {duration(max(took) / 1000)} at worst"
    if best < limits.ping_notice_ms:
        return [ok("latency", what, ping_ms=round(best, 3))]
    why = "a leaderboard call takes at least so long, and a cache that is slower than the database is of no use"
    do = "look at its CPU, at the network between, at slow commands, and at swapping"
    return [graded(best >= limits.ping_problem_ms)("latency", what, why, do, ping_ms=round(best, 3))]


async def commands(client: "Redis", limits: Limits) -> list[Finding]:
    """The slowest command that SLOWLOG has of the last hour."""
    since = time.time() - limits.slow_command_within_s
    entries = [entry for entry in await client.slowlog_get(_ENTRIES) if entry["start_time"] >= since]
    if not entries:
        return [ok("slow commands", f"none in {duration(limits.slow_command_within_s)}", slow=0)]
    slowest = max(entries, key=lambda entry: int(entry["duration"]))
    slowest_ms = slowest["duration"] / 1000
    command = _shown(slowest["command"])
    what = f"{len(entries)} in {duration(limits.slow_command_within_s)}, the slowest took "
    what += f"{duration(slowest_ms / 1000)}: {command}"
    why = "the server does one command at a time: everybody else waited as long"
    do = "see SLOWLOG GET; KEYS, whole sorted sets and other people's scripts do not belong here"
    return [
        graded(slowest_ms >= limits.slow_command_problem_ms)(
            "slow commands", what, why, do, slow=len(entries), slowest_ms=round(slowest_ms, 1)
        )
    ]


def _shown(command: str | bytes) -> str:
    text = command.decode(errors="replace") if isinstance(command, bytes) else command
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"
