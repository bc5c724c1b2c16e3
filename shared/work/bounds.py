"""Bounds that must agree, in one place; tests/unit/test_bounds.py keeps them in their order.

A bound that follows from others is computed here. A bound that only one module needs stays in that module.
"""

# No call takes longer (shared/rpc/policies/deadlines.py). Everything below that must outlast a call follows from it.
LONGEST_CALL_S = 30.0

# How long PostgreSQL itself lets a statement run. If this were shorter, it would end a statement whose caller still
# waits; if it were much longer, statements that nobody waits for would hold their locks.
STATEMENT_TIMEOUT_S = int(LONGEST_CALL_S)

# Longest time for what several callers share (shared/work/batching.py). If it were longer than a call, the work would
# go on after the last of its callers has gone.
BATCH_BOUND_S = LONGEST_CALL_S / 3

# How long a writer that has announced itself in the player cache counts as at work. It must outlast the call and what
# its last statement may take beyond: if not, a reader fills the cache with the row from before the commit, and that
# stays there until its time to live is over. When a writer dies, its player is not cached for this long.
WRITER_MS = int(2 * LONGEST_CALL_S * 1000)

# How long a board remembers the calls that changed it. It must outlast the call, which may send its script again until
# the end: if not, the second one does not find its own work and answers NOT_FOUND for what it has removed itself.
CALL_KEPT_S = int(2 * LONGEST_CALL_S)

# Longest answer to a health check's ping of a store, and the longest that health waits for one. A ping must end first:
# if not, health cannot say why a store is not fit.
PING_S = 1.5
PING_WAIT_S = 2.0

# What a stop takes beyond SHUTDOWN_NOTICE_S and SHUTDOWN_GRACE_S, at most: hosts and stores close. Whoever kills a
# service that does not stop (compose's stop_grace_period) must wait this much longer than the two; otherwise calls are
# cut off, and the exit code is not 0.
CLOSING_S = 8.0

# How long all migrations may take where nobody says otherwise. One that rewrites a table takes longer, the larger the
# table is.
MIGRATE_WITHIN_S = 300
