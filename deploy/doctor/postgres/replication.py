"""Replicas that lag, and slots that keep the log from being removed."""

from deploy.doctor.finding import Finding, graded, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.server import Settings
from deploy.doctor.postgres.session import Row, Session
from deploy.doctor.text import duration, size

CHECK = "replication"
_WHY_LAG = "reads that need fresh rows go to the primary instead, and a failover to it loses what it lacks"
_WHY_SLOT = "PostgreSQL keeps the log that the slot has not read, until the disk is full and writes stop"


async def look(session: Session, settings: Settings, limits: Limits, *, replica: bool) -> list[Finding]:
    """Of a primary: its replicas and slots; of a replica: how far behind it is."""
    slots = [each for row in await session.rows("slots") for each in _slot(row, limits, replica=replica)]
    if replica:
        return [*_replay(await session.row("replay"), limits), *slots]
    rows = await session.rows("replicas")
    found = [each for row in rows for each in _replica(row, limits)]
    wanted = settings.text("synchronous_standby_names")
    if wanted and not any(row["sync_state"] in ("sync", "quorum") for row in rows):
        found.append(
            problem(
                CHECK,
                f"synchronous_standby_names is {wanted!r}, and no such replica is connected",
                "every commit waits for one, without end",
                "start the replica, or take it out of synchronous_standby_names and reload",
            )
        )
    return [*found, *slots] or [ok(CHECK, "no replicas, no slots", replicas=0)]


def _replica(row: Row, limits: Limits) -> list[Finding]:
    # Before its first report, nobody knows how far behind it is.
    behind, lag = row["behind_bytes"] or 0, row["lag_s"]
    what = f"replica {row['name']} is {row['state']} ({row['sync_state']}), {size(behind)} and {duration(lag)} behind"
    figures = {"replica": row["name"], "behind_bytes": behind, "lag_s": lag}
    if row["state"] == "streaming" and lag < limits.lag_notice_s and behind < limits.lag_problem_bytes:
        return [ok(CHECK, what, **figures)]
    severe = lag >= limits.lag_problem_s or behind >= limits.lag_problem_bytes
    do = "look at the replica's disk, CPU and network, at long queries on it, and at recovery_min_apply_delay"
    return [graded(severe)(CHECK, what, _WHY_LAG, do, **figures)]


def _replay(row: Row, limits: Limits) -> list[Finding]:
    behind, lag = row["behind_bytes"] or 0, row["lag_s"]
    what = f"this is a replica, {size(behind)} and {duration(lag)} behind what it has received"
    figures = {"behind_bytes": behind, "lag_s": lag}
    if row["receiver"] is None:
        why = "it gets nothing new: its rows are ever older"
        do = "see its log for why it cannot reach the primary: address, password, or a slot that is gone"
        return [problem(CHECK, "this replica is not connected to a primary", why, do, **figures)]
    if row["paused"]:
        return [problem(CHECK, f"{what}; replay is paused", _WHY_LAG, "SELECT pg_wal_replay_resume()", **figures)]
    if lag < limits.lag_notice_s:
        return [ok(CHECK, what, **figures)]
    do = "look at its disk and CPU, at long queries on it, and at recovery_min_apply_delay"
    return [graded(lag >= limits.lag_problem_s)(CHECK, what, _WHY_LAG, do, **figures)]


def _slot(row: Row, limits: Limits, *, replica: bool) -> list[Finding]:
    name, kept = row["name"], row["kept_bytes"] or 0
    figures = {"slot": name, "kept_bytes": kept, "active": row["active"]}
    if row["wal_status"] == "lost":
        why = "its replica can never go on from where it was"
        do = f"make that replica anew (pg_basebackup), and SELECT pg_drop_replication_slot('{name}')"
        return [problem(CHECK, f"slot {name} has lost the log that it needs", why, do, **figures)]
    severe = kept >= limits.slot_problem_bytes
    # A manager keeps slots on a replica for those who will read there after a failover, and moves them on by itself.
    if (row["active"] or replica) and not severe:
        return []
    what = f"slot {name} keeps back {size(kept)} of log" + ("" if row["active"] else ", and nobody reads it")
    do = f"bring its reader back, or SELECT pg_drop_replication_slot('{name}'); max_slot_wal_keep_size bounds all"
    return [graded(severe)(CHECK, what, _WHY_SLOT, do, **figures)]
