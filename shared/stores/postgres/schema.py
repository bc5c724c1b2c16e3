"""Which version a database's schema has, and whether that is the one that the code was written for.

A migration's version is the digits that its file's name begins with. dbmate keeps the versions that it has applied in
the table `schema_migrations`. The code needs the migrations in its own folders.
"""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from psycopg import errors as pg

from shared.stores.errors import StoreUnfit
from shared.stores.postgres.dialect import Dialect
from shared.stores.postgres.lease import Lease
from shared.stores.postgres.migrations import by_version


class SchemaOlder(StoreUnfit):
    """Migrations are missing; it is worth waiting for them."""


class SchemaNewer(StoreUnfit):
    """Migrations were applied that this version of the service does not know; only a newer version can serve this
    database."""


@dataclass(frozen=True)
class Schema:
    """The migrations that a service needs, by version."""

    service: str
    needed: frozenset[str]

    @classmethod
    def of(cls, service: Path, dialect: Dialect) -> "Schema":
        """What the service in this folder needs. Raises MigrationError for a version that two files have."""
        return cls(service.name, frozenset(by_version(service, dialect)))

    async def check(self, lease: Lease) -> None:
        """Raises SchemaOlder, and SchemaNewer where nothing is missing."""
        applied = await _applied(lease)
        if missing := sorted(self.needed - applied):
            raise SchemaOlder(
                f"the database lacks {', '.join(missing)} of {len(self.needed)} migrations; "
                f"bring it to this version with: python -m services.{self.service} migrate"
            )
        if unknown := sorted(applied - self.needed):
            raise SchemaNewer(
                f"this version of the {self.service} service is older than the database, which has the migrations "
                f"{', '.join(unknown)}: replace it by the version that brought them"
            )


async def _applied(lease: Lease) -> Set[str]:
    lease.check()
    try:
        cursor = await lease.connection.execute("SELECT version FROM schema_migrations")
    except pg.UndefinedTable:
        return frozenset()
    except pg.InsufficientPrivilege as error:
        raise StoreUnfit("DATABASE_URL's user may not read schema_migrations: GRANT SELECT on it") from error
    return {row[0] for row in await cursor.fetchall()}
