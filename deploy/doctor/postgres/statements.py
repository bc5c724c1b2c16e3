"""Slow statements, by pg_stat_statements."""

from deploy.doctor.finding import Finding, graded, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Row, Session
from deploy.doctor.text import duration, sql

CHECK = "statements"
_WHY_MISSING = "which statements are slow, and how often they run, cannot be told"


async def look(session: Session, limits: Limits) -> list[Finding]:
    """The statements of this database that take long on average, those that took most time in all first."""
    extension = await session.row("extension")
    if not extension["loaded"]:
        do = "set shared_preload_libraries = 'pg_stat_statements', restart, then CREATE EXTENSION pg_stat_statements"
        if not extension["available"]:
            do = "install PostgreSQL's contrib modules, then " + do
        return [notice(CHECK, "pg_stat_statements is not loaded", _WHY_MISSING, do)]
    if extension["schema"] is None:
        do = "in this database: CREATE EXTENSION pg_stat_statements"
        return [notice(CHECK, "the extension pg_stat_statements is missing here", _WHY_MISSING, do)]
    rows = await session.rows(
        "statements", schema=extension["schema"], mean_ms=limits.statement_notice_ms, limit=limits.statements_shown
    )
    if not rows:
        return [ok(CHECK, f"none takes {duration(limits.statement_notice_ms / 1000)} on average")]
    return [_slow(row, limits) for row in rows]


def _slow(row: Row, limits: Limits) -> Finding:
    mean, calls = row["mean_ms"], row["calls"]
    return graded(mean >= limits.statement_problem_ms and calls >= limits.statement_calls)(
        CHECK,
        f"{duration(mean / 1000)} on average, {duration(row['max_ms'] / 1000)} at most, {calls} "
        f"call{'' if calls == 1 else 's'}: {sql(row['query'])}",
        "its callers wait, and its connection and locks are held meanwhile",
        "EXPLAIN (ANALYZE, BUFFERS) it: a scan wants an index, an estimate that is far off wants ANALYZE; time that is "
        "not in the plan is waiting for locks",
        query=row["query"],
        calls=calls,
        mean_ms=round(mean, 3),
        max_ms=round(row["max_ms"], 3),
        total_ms=round(row["total_ms"], 3),
    )
