"""What the server does for itself: checkpoints, and freezing rows before their transaction ids come round again."""

from deploy.doctor.finding import Finding, graded, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.postgres.server import Settings
from deploy.doctor.postgres.session import Session
from deploy.doctor.text import duration

_WITH_CHECKPOINTER = 170_000


async def wraparound(session: Session, limits: Limits) -> list[Finding]:
    """How old the oldest row that is not frozen is, in transactions."""
    row = await session.row("wraparound")
    age = row["age"]
    what = f"the oldest row that is not frozen is {age / 1e6:.1f} million transactions old (in {row['database']})"
    if age < limits.wraparound_notice:
        return [ok("wraparound", what, age=age)]
    return [
        graded(age >= limits.wraparound_problem)(
            "wraparound",
            what,
            "at 2,100 million PostgreSQL takes no more writes",
            "find what keeps autovacuum from freezing (old transactions, slots, prepared transactions), then "
            "VACUUM (FREEZE) the oldest tables",
            age=age,
        )
    ]


async def checkpoints(session: Session, settings: Settings, limits: Limits) -> list[Finding]:
    """Whether the log fills up before the time for a checkpoint has come."""
    row = await session.row("checkpoints" if session.version >= _WITH_CHECKPOINTER else "checkpoints_before_17")
    every = row["since_s"] / max(1, row["timed"] + row["requested"])
    planned = settings.number("checkpoint_timeout")
    what = f"{row['requested']} asked for and {row['timed']} by time in {duration(row['since_s'])}"
    figures = {"requested": row["requested"], "timed": row["timed"], "every_s": round(every, 1)}
    if row["requested"] < limits.checkpoints or row["requested"] <= row["timed"] or every >= planned / 2:
        return [ok("checkpoints", what, **figures)]
    return [
        notice(
            "checkpoints",
            f"{what}: one every {duration(every)}, where checkpoint_timeout is {duration(planned)}",
            "after each, the first change of every page writes the whole page to the log: more log, slower writes",
            f"raise max_wal_size (now {settings.number('max_wal_size') / 1024**3:.1f} GB)",
            **figures,
        )
    ]
