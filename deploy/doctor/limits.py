"""From where on something is worth telling, in one place.

What is a problem must be one on a machine of any size; what only might be one is a notice. A stack that is well and
works hard must have no problem.
"""

from dataclasses import dataclass

_MB = 1024 * 1024
_GB = 1024 * _MB
_DAY_S = 86_400


@dataclass(frozen=True)
class Limits:
    """Names end in their units."""

    # Connections to a server, of all that it takes.
    connections_notice_ratio: float = 0.75
    connections_problem_ratio: float = 0.9
    # Statements. A service logs those of half a second as slow; one that takes so long each time has a bad plan, or is
    # held up by locks each time. A few may be a person's.
    statement_notice_ms: float = 100
    statement_problem_ms: float = 500
    statement_calls: int = 5
    statements_shown: int = 3
    # A table of fewer rows is read as a whole in about a millisecond. The services never do; dumps and people may.
    scanned_rows: int = 10_000
    scans: int = 100
    # Statistics of a week have seen every weekly job; an index nobody has used by then costs each write for nothing.
    index_unused_after_s: float = 7 * _DAY_S
    index_unused_bytes: int = _MB
    # Fewer dead rows than this cost nothing, and autovacuum comes once a minute: twice its own threshold is late.
    dead_rows: int = 10_000
    dead_thresholds: float = 2
    # A replica. A read that must be fresh waits for it so long in vain, and a failover may lose so much.
    lag_notice_s: float = 2
    lag_problem_s: float = 30
    lag_problem_bytes: int = _GB
    # max_wal_size is 4 GB: what a slot keeps beyond a quarter of it fills the disk sooner or later.
    slot_problem_bytes: int = _GB
    # A service gives up waiting for a row after half a second, and asks again.
    lock_wait_s: float = 1
    # Services are never idle inside a transaction; PostgreSQL ends them after 30 s. Until a transaction ends, no row
    # that died since it began can be removed.
    idle_in_transaction_s: float = 10
    transaction_notice_s: float = 60
    transaction_problem_s: float = 900
    # PostgreSQL stops taking writes at 2.1 thousand million; autovacuum begins to work against it at 200 million.
    wraparound_notice: int = 500_000_000
    wraparound_problem: int = 1_200_000_000
    # Rows and indexes that are read often belong into memory. Below so many blocks read, the ratio says nothing.
    cache_hit_ratio: float = 0.95
    cache_blocks: int = 100_000
    checkpoints: int = 10
    # PostgreSQL's log alone may take max_wal_size, 4 GB.
    disk_notice_bytes: int = 8 * _GB
    disk_problem_bytes: int = _GB
    # Memory of a Valkey, of its maxmemory or of the machine's.
    memory_notice_ratio: float = 0.8
    memory_problem_ratio: float = 0.95
    fragmentation_ratio: float = 1.5
    fragmentation_bytes: int = 100 * _MB
    # One command at a time: while one takes so long, nobody else is answered.
    slow_command_problem_ms: float = 500
    slow_command_within_s: float = 3600
    ping_notice_ms: float = 20
    ping_problem_ms: float = 250
    fork_notice_ms: float = 500
    big_key_bytes: int = 256 * _MB
    # How much is looked at for big keys: so many keys or milliseconds, whichever is over first.
    keys_looked_at: int = 2_000
    keys_within_s: float = 0.5
    # Reads of a cache, of a window or of all; below so many, the ratio says nothing.
    lookups: int = 1_000
    hits_notice_ratio: float = 0.5
    # Answers of a service. One call in a hundred that ends so is more than bad luck.
    calls: int = 20
    bad_answers_ratio: float = 0.01


LIMITS = Limits()
