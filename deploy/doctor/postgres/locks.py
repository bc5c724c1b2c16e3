"""Who waits for whom."""

from deploy.doctor.finding import Finding, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Row, Session
from deploy.doctor.text import duration, sql

CHECK = "lock waits"


async def look(session: Session, limits: Limits) -> list[Finding]:
    """Sessions that have waited for a lock for long, gathered by who is in their way."""
    rows = await session.rows("lock_waits", waited_s=limits.lock_wait_s)
    if not rows:
        return [ok(CHECK, f"nobody has waited for a lock for {duration(limits.lock_wait_s)}")]
    # Whoever waits too is not the cause.
    waiters = {row["waiter"] for row in rows}
    causes = [row for row in rows if row["blocker"] not in waiters] or rows
    by_blocker: dict[int, list[Row]] = {}
    for row in causes:
        by_blocker.setdefault(row["blocker"], []).append(row)
    return [_found(blocker, blocked, len(waiters)) for blocker, blocked in by_blocker.items()]


def _found(blocker: int, blocked: list[Row], waiters: int) -> Finding:
    longest = blocked[0]
    who = "one session waits" if len(blocked) == 1 else f"{len(blocked)} sessions wait"
    held = f"pid {blocker} ({longest['blocker_application'] or 'unnamed'}, {longest['blocker_state']}"
    held += f" for {duration(longest['blocker_age_s'])})" if longest["blocker_age_s"] is not None else ")"
    return problem(
        CHECK,
        f"{who} up to {duration(longest['waited_s'])} for {held}. Waits: {sql(longest['query'])}. "
        f"Holds, last: {sql(longest['blocker_query'])}",
        "calls that want the same rows end in DEADLINE_EXCEEDED, and each holds a connection of its pool meanwhile",
        f"find out what pid {blocker} does, or end it: SELECT pg_terminate_backend({blocker})",
        blocker=blocker,
        waiter=longest["waiter"],
        waiters=waiters,
        waited_s=round(longest["waited_s"], 3),
    )
