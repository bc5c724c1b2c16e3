"""Indexes that are missing, broken or of no use."""

from collections.abc import Mapping

from deploy.doctor.finding import Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.session import Session
from deploy.doctor.text import duration, names, size

CHECK = "indexes"
_WHY_MISSING = "queries that were written for it read whole tables; one that keeps names unique keeps nothing any more"


async def look(session: Session, defined: Mapping[str, str], limits: Limits) -> list[Finding]:
    """`defined` are those that the migrations which were applied have made, with their tables."""
    rows = await session.rows("indexes")
    there = {row["name"] for row in rows}
    found = []
    if missing := [name for name in defined if name not in there]:
        what = f"missing: {names(f'{name} on {defined[name]}' for name in missing)}"
        do = "make it as the service's migrations say (services/*/migrations), with CREATE INDEX CONCURRENTLY"
        found.append(problem(CHECK, what, _WHY_MISSING, do, missing=",".join(missing)))
    invalid = [row for row in rows if not row["valid"] and not row["being_built"]]
    if invalid:
        one = invalid[0]["name"]
        what = "INVALID: " + names(f"{row['name']} on {row['table']}" for row in invalid)
        why = "building it was interrupted: no query uses it, and every write still pays for it"
        do = f"REINDEX INDEX CONCURRENTLY {one}"
        found.append(problem(CHECK, what, why, do, invalid=",".join(row["name"] for row in invalid)))
    found.extend(await _unused(session, limits))
    there_are = f"all {len(defined)} that the migrations make are there" if defined else f"{len(rows)} are there"
    return found or [ok(CHECK, f"{there_are}; none is INVALID", indexes=len(rows))]


async def _unused(session: Session, limits: Limits) -> list[Finding]:
    rows = [
        row
        for row in await session.rows("unused_indexes")
        if row["since_s"] >= limits.index_unused_after_s and row["bytes"] >= limits.index_unused_bytes
    ]
    if not rows:
        return []
    since = duration(rows[0]["since_s"])
    unused = names(f"{row['name']} on {row['table']} ({size(row['bytes'])})" for row in rows)
    what = f"not used in {since}: {unused}"
    why = "every write keeps it up to date, and it takes memory and disk, for nothing"
    do = "ask who wanted it, also on the replicas, whose use is not counted here; then DROP INDEX CONCURRENTLY"
    return [notice(CHECK, what, why, do, unused=",".join(row["name"] for row in rows))]
