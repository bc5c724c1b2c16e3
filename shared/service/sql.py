"""The SQL database of a service, as its settings name it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from shared.stores import postgres
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import POSTGRESQL, Dialect
from shared.stores.replication import Replication
from shared.telemetry.store import StoreTelemetry


class SqlSettings(Protocol):
    """What is asked of a service's settings; REPLICATION_MODE and what goes with it are in `replication`."""

    @property
    def database_url(self) -> str: ...  # noqa: D102

    @property
    def connection_pool_size(self) -> int: ...  # noqa: D102

    @property
    def store_start_timeout_s(self) -> float: ...  # noqa: D102

    @property
    def database_pooler(self) -> str: ...  # noqa: D102

    def replication(self) -> Replication: ...  # noqa: D102


def connect(
    settings: SqlSettings, telemetry: StoreTelemetry, service: Path, dialect: Dialect = POSTGRESQL
) -> AbstractAsyncContextManager[Postgres]:
    """The database while the context is open, with the migrations of the service in this folder. Raises as
    shared.stores.postgres.connect does."""
    return postgres.connect(
        settings.database_url,
        settings.connection_pool_size,
        settings.store_start_timeout_s,
        telemetry,
        service=service,
        replication=settings.replication(),
        dialect=dialect,
        pooler=settings.database_pooler != "none",
    )
