"""How far a server has come in its log: the primary in writing, a replica in replaying."""

from pathlib import Path

from shared.contract.consistency import Position
from shared.stores.errors import StoreUnfit
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.lease import Lease
from shared.stores.postgres.queries import load

QUERIES = load(Path(__file__).with_name("positions.sql")).of(POSTGRESQL)


async def log_position(lease: Lease) -> Position:
    """That of the server which the connection leads to. Raises StoreUnfit where that may be another one for the next
    statement."""
    lease.check()
    cursor = await lease.connection.execute(QUERIES["log_position"].sql.encode())
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 # the query has one row
    cluster, timeline, lsn, process = row
    if process != lease.connection.info.backend_pid:
        raise StoreUnfit("there is a connection pooler before the server: what is known of its position may be wrong")
    # PostgreSQL has no unsigned numbers: beyond 2^63 the identifier comes as a negative one.
    return Position(cluster % 2**64, timeline, int(lsn))
