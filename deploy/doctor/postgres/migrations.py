"""Whether a database has the migrations that the code needs."""

from collections.abc import Set

import psycopg

from deploy.doctor.finding import Finding, ok, problem
from deploy.doctor.postgres.session import Session
from deploy.doctor.text import names
from shared import __version__

CHECK = "migrations"


async def applied_to(session: Session) -> Set[str]:
    """The versions of those that were applied. Raises psycopg.Error."""
    try:
        return {row["version"] for row in await session.rows("applied_migrations")}
    except psycopg.errors.UndefinedTable:
        return frozenset()


def look(service: str, applied: Set[str], needed: Set[str]) -> list[Finding]:
    """`needed` are the versions of the service's migrations in this checkout."""
    figures = {"applied": len(applied), "needed": len(needed)}
    if missing := sorted(needed - applied):
        why = "a service of this version does not start on it, and one that runs turns NOT_SERVING"
        do = f"python -m services.{service} migrate (in compose: docker compose run --rm {service}-migrate)"
        what = f"{len(missing)} of {len(needed)} are missing: {names(missing)}"
        return [problem(CHECK, what, why, do, **figures, missing=",".join(missing))]
    if unknown := sorted(applied - needed):
        why = f"a service of this version ({__version__}) does not start on it; older ones that run go on"
        do = "run the version of the services that brought them; if that one runs, use its doctor too"
        what = f"the database is newer than this code: it has {names(unknown)} besides"
        return [problem(CHECK, what, why, do, **figures, unknown=",".join(unknown))]
    return [ok(CHECK, f"all {len(needed)} that version {__version__} needs", **figures)]
