"""Errors that a service met at its stores, by kind: db_errors_total."""

from dataclasses import dataclass

from deploy.doctor.finding import Figure, Finding, Severity, ok
from deploy.doctor.processes.sample import Sample

CHECK = "store errors"


@dataclass(frozen=True)
class _Kind:
    """`now` is how bad one in the window is, `before` how bad earlier ones are."""

    why: str
    do: str
    now: Severity = Severity.PROBLEM
    before: Severity = Severity.NOTICE


_KINDS = {
    "POOL_EXHAUSTED": _Kind(
        "a call waited for a database connection and was refused as OVERLOADED",
        "see what holds the connections (lock waits, slow statements); else raise CONNECTION_POOL_SIZE",
    ),
    "DEADLOCK_DETECTED": _Kind(
        "two transactions waited for each other; one was ended, and is tried again",
        "lock rows in one order everywhere, by their ids as the services do; look for other programs that write",
    ),
    "CONNECTION_TIMEOUT": _Kind(
        "the store did not answer, or a connection broke; calls are tried again, then end in UNAVAILABLE",
        "see whether the store was restarted or its network broke; look at its own findings",
    ),
    "LOCK_TIMEOUT": _Kind(
        "a statement waited for a row that somebody else has locked; it is tried again until the call's deadline",
        "a few are normal where many want the same row; else look for lock waits and long transactions",
        now=Severity.NOTICE,
        before=Severity.OK,
    ),
    "SERIALIZATION_FAILURE": _Kind(
        "a transaction lost against another one that wanted the same rows; it is tried again until the call's deadline",
        "some are normal, above all in CockroachDB; where they are many, look for rows that everybody wants",
        now=Severity.NOTICE,
        before=Severity.OK,
    ),
    "WRITE_CONFLICT": _Kind(
        "two processes wrote the same shard of a board at once; one of the writes is done again",
        "some are normal; where they are many, give new boards more shards: DYNAMODB_SHARDS",
        now=Severity.NOTICE,
        before=Severity.OK,
    ),
    "THROTTLED": _Kind(
        "DynamoDB took no more right then; calls are tried again, then refused as OVERLOADED",
        "switch the table to on demand or raise its capacity; give new boards more shards: DYNAMODB_SHARDS",
    ),
    "WRITE_CONCERN": _Kind(
        "too few members of MongoDB's replica set confirmed a write in time; the call ended in UNAVAILABLE",
        "look at the replica set: rs.status() shows members that are down or lag behind",
    ),
    "UNFIT": _Kind(
        "the store refuses what the service needs: a table is missing, or its credentials are not let in",
        "the service's log says what it lacks, and how to mend it",
    ),
    "STATEMENT_TIMEOUT": _Kind(
        "a statement ran into its call's deadline",
        "look at slow statements and lock waits; see whether callers set deadlines that cannot be kept",
    ),
    "REPLICA_LAG": _Kind(
        "a read or write met a server that only reads, or lags behind",
        "look at replication; after a failover, see whether the URL still leads to the primary",
    ),
    "INSUFFICIENT_RESOURCES": _Kind(
        "the server has run out of connections, memory or disk",
        "look at its connections and its disk; raise max_connections or lower CONNECTION_POOL_SIZE",
        before=Severity.PROBLEM,
    ),
    "UNABLE": _Kind(
        "Valkey refused: its memory or disk is full, a script holds it up, or replicas are missing",
        "look at its memory, its append-only log and its slow commands",
    ),
}
_OTHER = _Kind("the service does not know this error: it is a bug, or another program's data", "see the service's log")


def look(before: Sample, after: Sample) -> list[Finding]:
    """A finding for each kind that matters."""
    earlier, totals = before.by("db_errors_total", "store", "kind"), after.by("db_errors_total", "store", "kind")
    found = []
    for (store, kind), total in sorted(totals.items()):
        known, now = _KINDS.get(kind, _OTHER), total - earlier[store, kind]
        severity = known.now if now else known.before
        if total and severity is not Severity.OK:
            what = f"{kind} at {store}: {now} just now, {total} since the process began"
            figures: dict[str, Figure] = {"store": store, "kind": kind, "now": now, "total": total}
            found.append(Finding(CHECK, severity, what, known.why, known.do, figures))
    return found or [ok(CHECK, "none that matters", total=totals.total())]
