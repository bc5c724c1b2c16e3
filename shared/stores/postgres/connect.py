"""Opens a database, with its replicas where it has some, and closes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from shared.stores.postgres.database import STORE, Postgres
from shared.stores.postgres.dialect import POSTGRESQL, Dialect
from shared.stores.postgres.pool import Connections
from shared.stores.postgres.replica import Replica
from shared.stores.postgres.replicas import Replicas
from shared.stores.postgres.schema import Schema
from shared.stores.postgres.session import Session
from shared.stores.postgres.url import has_several_hosts
from shared.stores.replication import SINGLE, Replication
from shared.telemetry.store import StoreTelemetry


@asynccontextmanager
async def connect(
    url: str,
    pool_size: int,
    start_timeout_s: float,
    telemetry: StoreTelemetry,
    *,
    service: Path | None = None,
    replication: Replication = SINGLE,
    dialect: Dialect = POSTGRESQL,
    pooler: bool = False,
) -> AsyncIterator[Postgres]:
    """A database with its pool open and answering; closed on the way out. Raises StoreUnavailable when it does not
    answer within `start_timeout_s`. Replicas may be down.

    `service` is the folder of the service whose migrations it must have; they may come within the same time. `pooler`
    says that `url` leads to a connection pooler (session.py). Raises StoreUnfit when the migrations do not come, when
    there are newer ones, when the database is not in UTF-8, when it should take encrypted connections and does not,
    when there is a pooler and `pooler` does not say so, or its connections lack what the service needs, when `url` is
    no valid URL, and when a replica is none of this database."""
    until = asyncio.get_running_loop().time() + start_timeout_s
    writable = replication.mode == "cluster" or has_several_hosts(url)
    connections = Connections(url, pool_size, telemetry.metrics, Session(dialect, pooler), writable=writable)
    schema = Schema.of(service, dialect) if service else None
    replicated = replication.mode != "single" or writable
    database = Postgres(connections, telemetry, schema, dialect=dialect, replicated=replicated)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connections.close)
        await connections.open(start_timeout_s)
        await database.until_fit(until - asyncio.get_running_loop().time())
        if replication.replica_urls:
            replicas = Replicas(
                database,
                connections,
                [
                    Replica(replica_url, pool_size, telemetry.of(f"{STORE}_replica_{number}"))
                    for number, replica_url in enumerate(replication.replica_urls, 1)
                ],
                replication.wait_s,
                replication.most_behind_s,
            )
            stack.push_async_callback(replicas.close)
            await replicas.open()
            database.read_from(replicas, replicas.latest, replicas.jobs())
        yield database
