"""What a database did: commits, deadlocks, reads from memory and from the disk."""

from deploy.doctor.finding import Finding, graded, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Row
from deploy.doctor.text import duration, percent, size


def look(before: Row, after: Row, window_s: float, limits: Limits) -> list[Finding]:
    """From what was counted so far, and in the window between two looks."""
    return [_work(before, after, window_s), *_deadlocks(before, after), *_memory(after, limits)]


def _work(before: Row, after: Row, window_s: float) -> Finding:
    commits = (after["commits"] - before["commits"]) / window_s
    rollbacks = (after["rollbacks"] - before["rollbacks"]) / window_s
    return ok(
        "work",
        f"{commits:.0f} commits and {rollbacks:.0f} rollbacks a second now; {size(after['bytes'])} in all",
        commits_per_s=round(commits, 1),
        rollbacks_per_s=round(rollbacks, 1),
        bytes=after["bytes"],
        temp_bytes=after["temp_bytes"],
    )


def _deadlocks(before: Row, after: Row) -> list[Finding]:
    total, now = after["deadlocks"], after["deadlocks"] - before["deadlocks"]
    if not total:
        return [ok("deadlocks", f"none in {duration(after['since_s'])}", deadlocks=0)]
    return [
        graded(now > 0)(
            "deadlocks",
            f"{total} in {duration(after['since_s'])}, {now} of them just now",
            "PostgreSQL ends one of the two transactions; the service tries it again, and its caller waits",
            "lock rows in one order everywhere, by their ids as the services do; the server's log has both statements",
            deadlocks=total,
            deadlocks_now=now,
        )
    ]


def _memory(row: Row, limits: Limits) -> list[Finding]:
    blocks = row["blocks_hit"] + row["blocks_read"]
    ratio = row["blocks_hit"] / blocks if blocks else 1.0
    what = f"{percent(ratio)} of {blocks:,} blocks were found in shared_buffers"
    if blocks < limits.cache_blocks or ratio >= limits.cache_hit_ratio:
        return [ok("memory", what, hit_ratio=round(ratio, 4), blocks=blocks)]
    return [
        notice(
            "memory",
            what,
            "the others came from the disk, or from the system's memory at best",
            "raise shared_buffers: a quarter of the machine's memory on a server of its own",
            hit_ratio=round(ratio, 4),
            blocks=blocks,
        )
    ]
