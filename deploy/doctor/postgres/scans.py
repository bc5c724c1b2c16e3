"""Tables that are read as a whole where an index was meant."""

from deploy.doctor.finding import Finding, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Session
from deploy.doctor.text import names

CHECK = "scans"


async def look(session: Session, limits: Limits) -> list[Finding]:
    """Large tables with many sequential scans. The services' own sessions have enable_seqscan off: theirs are there
    only where a query has no index at all."""
    rows = await session.rows("scans", rows=limits.scanned_rows, scans=limits.scans)
    if not rows:
        return [ok(CHECK, f"no table of {limits.scanned_rows:,} rows was read as a whole {limits.scans} times")]
    worst = rows[0]
    return [
        notice(
            CHECK,
            names(f"{row['table']} was read as a whole {row['scans']:,} times ({row['rows']:,} rows)" for row in rows),
            "each reads all of the table, pushes other rows out of memory, and takes longer as it grows",
            "find the query in pg_stat_statements. The services forbid themselves to do so where there is an index: "
            "an index is missing, or it is a report or dump that belongs on a replica",
            table=worst["table"],
            scans=worst["scans"],
            rows_read=worst["rows_read"],
        )
    ]
