"""Tables: their sizes, and the dead rows in them."""

from deploy.doctor.finding import Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Row, Session
from deploy.doctor.text import duration, size

_WHY_DEAD = "reads pass over them, and the table and its indexes grow"


async def sizes(session: Session) -> list[Finding]:
    """The largest tables, partitions counted with their table."""
    rows = await session.rows("sizes")
    shown = [
        f"{row['table']} {size(row['table_bytes'])} + {size(row['indexes_bytes'])} of indexes"
        for row in rows
        if row["table_bytes"] + row["indexes_bytes"]
    ]
    figures = {f"{row['table']}_bytes": row["table_bytes"] + row["indexes_bytes"] for row in rows}
    return [ok("sizes", "; ".join(shown) or "no tables", **figures)]


async def dead_rows(session: Session, limits: Limits) -> list[Finding]:
    """Tables that autovacuum has forgotten, or may not touch."""
    rows = await session.rows("dead_rows", dead=limits.dead_rows)
    found = [each for row in rows for each in _dead(row, limits)]
    return found or [ok("dead rows", f"no table waits for autovacuum with {limits.dead_rows:,} or more")]


def _dead(row: Row, limits: Limits) -> list[Finding]:
    table, dead = row["table"], row["dead"]
    when = "never vacuumed" if row["vacuumed_s"] is None else f"last vacuumed {duration(row['vacuumed_s'])} ago"
    what = f"{table} has {dead:,} dead rows beside {row['live']:,}; {when}"
    figures = {"table": table, "dead": dead, "live": row["live"], "threshold": round(row["threshold"])}
    if not row["vacuumed"]:
        do = f"ALTER TABLE {table} RESET (autovacuum_enabled), or set autovacuum = on; VACUUM {table} now"
        return [problem("dead rows", f"{what}; autovacuum is off for it", _WHY_DEAD, do, **figures)]
    if dead < limits.dead_thresholds * row["threshold"]:
        return []
    do = (
        f"see whether an old transaction or slot keeps them; else VACUUM {table}, or lower autovacuum_vacuum_cost_delay"
    )
    what += f", though autovacuum comes at {row['threshold']:,.0f}"
    return [notice("dead rows", what, _WHY_DEAD, do, **figures)]
