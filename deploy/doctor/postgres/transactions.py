"""Transactions that last, and sessions that are idle inside one."""

from deploy.doctor.finding import Finding, graded, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Row, Session
from deploy.doctor.text import duration, sql

CHECK = "transactions"
_WHY = "it keeps its locks, and until it ends no row that died since it began can be removed, in any table"


async def look(session: Session, limits: Limits) -> list[Finding]:
    """The oldest of each kind."""
    rows = await session.rows("transactions")
    found = []
    idle = [
        row for row in rows if row["state"].startswith("idle") and row["in_state_s"] >= limits.idle_in_transaction_s
    ]
    if idle:
        longest = max(idle, key=lambda row: float(row["in_state_s"]))
        others = f", and {len(idle) - 1} more" if len(idle) > 1 else ""
        what = f"{_who(longest)} is {longest['state']} for {duration(longest['in_state_s'])}{others}; "
        what += f"last: {sql(longest['query'])}"
        do = f"mend the program, which forgets to commit; end it now: SELECT pg_terminate_backend({longest['pid']})"
        found.append(
            problem(CHECK, what, _WHY, do, pid=longest["pid"], in_state_s=longest["in_state_s"], sessions=len(idle))
        )
    active = [row for row in rows if row not in idle and row["age_s"] >= limits.transaction_notice_s]
    if active:
        oldest = active[0]
        found.append(
            graded(oldest["age_s"] >= limits.transaction_problem_s)(
                CHECK,
                f"{_who(oldest)} has been in a transaction for {duration(oldest['age_s'])}: {sql(oldest['query'])}",
                _WHY,
                f"let it end where it is a dump; else end it: SELECT pg_terminate_backend({oldest['pid']})",
                pid=oldest["pid"],
                age_s=oldest["age_s"],
            )
        )
    found.extend(await _prepared(session, limits))
    oldest_s = rows[0]["age_s"] if rows else 0.0
    return found or [
        ok(CHECK, f"{len(rows)} open, the oldest {duration(oldest_s)} old", open=len(rows), oldest_s=oldest_s)
    ]


async def _prepared(session: Session, limits: Limits) -> list[Finding]:
    rows = [row for row in await session.rows("prepared_transactions") if row["age_s"] >= limits.transaction_notice_s]
    if not rows:
        return []
    first = rows[0]
    what = f"{len(rows)} prepared and neither committed nor rolled back; {first['gid']} for {duration(first['age_s'])}"
    return [
        problem(CHECK, what, _WHY, f"ROLLBACK PREPARED '{first['gid']}' in {first['database']}", age_s=first["age_s"])
    ]


def _who(row: Row) -> str:
    return f"pid {row['pid']} ({row['application'] or 'unnamed'} in {row['database']})"
