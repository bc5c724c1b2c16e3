"""Ids that Savepoint makes: UUIDs of version 7 (RFC 9562). They begin with the time, so that new rows stand together in
an index. They are made here and not in SQL, because PostgreSQL can make them since its version 18 only."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """An id that nobody has. Those of one process come in their order; between processes, the order is that of their
    clocks. Where the order must be that in which rows were locked, the statement puts its own time into the id
    (services/profile/wallets/queries.sql)."""
    return uuid7()
