"""What differs between the databases that take PostgreSQL's SQL. A dialect is chosen by DATABASE_TYPE.

Queries are one text for all of them, with pieces that differ (shared/stores/postgres/queries.py). What cannot be said
in SQL stands here as a fact, which the code asks for by its name: nobody asks which database it is.

docs/adr/0016-dialects-of-sql.md says why each of them is as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.work.bounds import STATEMENT_TIMEOUT_S

_BOUNDS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Dialect:
    """One of them.

    `name` is what DATABASE_TYPE calls it. `pieces` are the kinds of pieces that its queries take, the first that there
    is of each. `migrations` is the folder of its migrations, inside each folder called migrations; "" is that folder
    itself. `session` is what every connection is set to.

    `partitions`: whether answers of requests lie in a partition for each day. `forgotten_at_once`: how many old request
    records one statement deletes. `tells_poolers`: whether a connection's process id shows that it leads through a
    pooler. `standbys`: whether a commit may wait for standbys. `follower_reads`: whether histories are read from the
    nearest replica, some seconds old.
    """

    name: str
    pieces: tuple[str, ...]
    migrations: str
    session: Mapping[str, str]
    partitions: bool
    forgotten_at_once: int
    tells_poolers: bool
    standbys: bool
    follower_reads: bool = False


POSTGRESQL = Dialect(
    "postgresql",
    ("postgresql",),
    "",
    # Every query goes by its index whatever the values: planning it anew costs nearly as much as running it. A plan
    # that was made while a table was small must not read all of it once it is large.
    {**_BOUNDS, "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"},
    partitions=True,
    forgotten_at_once=10_000,
    tells_poolers=True,
    standbys=True,
)

COCKROACHDB = Dialect(
    "cockroachdb",
    ("cockroachdb",),
    "cockroachdb",
    {
        **_BOUNDS,
        # Its default, unless somebody has chosen READ COMMITTED for the cluster: the queries rely on it.
        "default_transaction_isolation": "serializable",
        # A statement's own bound for its locks, which PostgreSQL's queries set themselves (pieces.sql), cannot be set
        # from within it here.
        "lock_timeout": "500ms",
        # It takes this one and ignores it. On PostgreSQL, where the dialect is tested, a plan without an index would
        # be in conflict with every other transaction on the table.
        "enable_seqscan": "off",
    },
    partitions=False,
    # A transaction that changes many rows is likely to lose against others, and holds them up meanwhile.
    forgotten_at_once=1_000,
    tells_poolers=False,
    standbys=False,
)

DIALECTS = {dialect.name: dialect for dialect in (POSTGRESQL, COCKROACHDB)}


def dialect_of(database_type: str, *, follower_reads: bool = False) -> Dialect:
    """The dialect for a DATABASE_TYPE. With `follower_reads`, histories are read from the nearest replica, some seconds
    old. Raises KeyError for a database that takes no SQL, ValueError where it has no follower reads."""
    dialect = DIALECTS[database_type]
    if not follower_reads:
        return dialect
    if dialect is not COCKROACHDB:
        raise ValueError("FOLLOWER_READS takes off with DATABASE_TYPE postgresql")
    return replace(dialect, pieces=("follower_reads", *dialect.pieces), follower_reads=True)
