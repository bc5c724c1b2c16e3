"""How far a server has come in its log: the primary in writing, a replica in replaying."""

from pathlib import Path

from shared.contract.consistency import Position
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.lease import Lease
from shared.stores.postgres.queries import load

QUERIES = load(Path(__file__).with_name("positions.sql")).of(POSTGRESQL)


async def log_position(lease: Lease) -> Position:
    """That of the server which the connection leads to."""
    lease.check()
    cursor = await lease.connection.execute(QUERIES["log_position"].sql.encode())
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 # the query has one row
    cluster, timeline, lsn = row
    # PostgreSQL has no unsigned numbers: beyond 2^63 the identifier comes as a negative one.
    return Position(cluster % 2**64, timeline, int(lsn))
