"""What every connection of a service is set to, and how it gets there: at its start, or through a connection pooler.

A pooler in transaction mode (PgBouncer) gives each transaction another of its own connections to the server. So nothing
may be left behind on a connection: no SET, no prepared statement. What the services need of a connection is set by the
pooler or for the role then, and looked at once, at the start of a service (deploy/pgbouncer/pgbouncer.ini). What a
statement sets for itself ends with its transaction (set_config(…, true)).
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from shared.stores.errors import StoreUnfit
from shared.stores.postgres.dialect import Dialect

_log = logging.getLogger("savepoint.database")

_NOT_TOLD = (
    "DATABASE_URL leads to a connection pooler: set DATABASE_POOLER=pgbouncer, which makes the service leave nothing "
    "behind on a connection that others use too; the pooler must be in transaction mode"
)
# How PgBouncer refuses what a service asks for at the start of a connection of its own.
_REFUSED = "unsupported startup parameter"


@dataclass(frozen=True)
class Session:
    """How connections to one database are opened. `pooler`: whether they lead to a pooler. `not_told` is said where
    they do, though they should not."""

    dialect: Dialect
    pooler: bool
    not_told: str = _NOT_TOLD

    def options(self) -> dict[str, Any]:
        """What a connection is opened with."""
        options = {"autocommit": True, "application_name": "savepoint", "client_encoding": "UTF8"}
        if self.pooler:
            return {**options, "prepare_threshold": None}
        return {**options, "options": " ".join(f"-c {name}={value}" for name, value in self.dialect.session.items())}

    async def check_way(self, conninfo: str, options: dict[str, Any], timeout_s: float) -> None:
        """Raises StoreUnfit when a pooler refuses how connections are opened, and likewise `check` where none is meant
        to be there. If the server does not answer, or refuses for another reason, this raises nothing: the next
        connection will show it."""
        if self.pooler:
            return
        try:
            connection = await AsyncConnection.connect(conninfo, **options)
        except psycopg.OperationalError as error:
            if _REFUSED in str(error):
                raise StoreUnfit(self.not_told) from error
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self.check(connection)
        except (TimeoutError, psycopg.Error) as error:
            _log.debug("a server does not answer on a new connection: %r", error)
        finally:
            await connection.close()

    async def check(self, connection: AsyncConnection[Any]) -> None:
        """Raises StoreUnfit when a connection leads through a pooler that the service was not told of, and when one
        through a pooler is not set to what the service needs."""
        if self.pooler:
            await self._check_settings(connection)
        elif self.dialect.tells_poolers:
            # A pooler answers with a number of its own when a connection is opened.
            cursor = await connection.execute("SELECT pg_backend_pid()")
            if await cursor.fetchone() != (connection.info.backend_pid,):
                raise StoreUnfit(self.not_told)

    async def _check_settings(self, connection: AsyncConnection[Any]) -> None:
        wanted = self.dialect.session
        cursor = await connection.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS wanted (name)", [list(wanted)]
        )
        found = dict(await cursor.fetchall())
        wrong = {name: value for name, value in wanted.items() if found[name] != value}
        if wrong:
            named = ", ".join(f"{name} is {found[name]}" for name in wrong)
            raise StoreUnfit(
                f"the pooler's connections are not set to what this service needs: {named}. Give the database in "
                f"pgbouncer.ini {connect_query(self.dialect)}, or set it for the role with ALTER ROLE … SET"
            )


def connect_query(dialect: Dialect) -> str:
    """The option of a database in pgbouncer.ini that sets its connections to what the services need."""
    statements = "; ".join(f"SET {name} = ''{value}''" for name, value in dialect.session.items())
    return f"connect_query='{statements}'"
