"""Connections: how many there are, of how many, and who has them."""

from collections import Counter

from deploy.doctor.finding import Finding, graded, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.server import Settings
from deploy.doctor.postgres.session import Session

CHECK = "connections"
_OURS = "savepoint"


async def look(session: Session, settings: Settings, pools: int, limits: Limits) -> list[Finding]:
    """All sessions of the server against what it takes. `pools` is how many the services may open together; 0 where
    nobody knows."""
    rows = await session.rows("sessions")
    # The doctor's own is one more.
    used = 1 + sum(row["sessions"] for row in rows)
    room = settings.number("max_connections") - settings.number("superuser_reserved_connections")
    room -= settings.number("reserved_connections", 0)
    holders = Counter[str]()
    states = Counter[str]()
    for row in rows:
        holders[f"{row['application'] or 'unnamed'} in {row['database'] or 'no database'}"] += row["sessions"]
        if row["application"] == _OURS:
            states[row["state"]] += row["sessions"]
    who = ", ".join(f"{count} of {name}" for name, count in holders.most_common(3)) or "nobody but this one"
    what = f"{used} of {room:.0f} connections are open: {who}"
    if pools:
        what += f"; the services' pools may open {pools}"
    figures = {
        "used": used,
        "room": room,
        "services": states.total(),
        "services_active": states["active"],
        "pools": pools,
    }
    if used < limits.connections_notice_ratio * room:
        if pools <= room:
            return [ok(CHECK, what, **figures)]
        do = "lower CONNECTION_POOL_SIZE or the number of replicas, or raise max_connections"
        return [notice(CHECK, what, "under load the last of them get none", do, **figures)]
    return [
        graded(used >= limits.connections_problem_ratio * room)(
            CHECK,
            what,
            "when all are taken, a service that starts or loses a connection gets none, and answers UNAVAILABLE",
            "end those that nobody needs; else lower CONNECTION_POOL_SIZE or the number of replicas, "
            "raise max_connections, or put PgBouncer before the server",
            **figures,
        )
    ]
