"""`migrate`, for the kind of database that DATABASE_TYPE names."""

import asyncio
from pathlib import Path

from services.gamelog.settings import GameLogSettings
from shared.contract.errors import SavepointError
from shared.stores.errors import MigrationError, StoreUnfit


async def migrate(settings: GameLogSettings, within_s: float) -> str:
    """Brings the database to this version. Returns what was done, nothing where there was nothing to do. Raises
    MigrationError."""
    if settings.database_type == "mongodb":
        return await _mongodb(settings, within_s)
    from shared.stores.postgres import migrations

    here = Path(__file__).parent
    return await migrations.migrate(settings.database_url, here, settings.store_start_timeout_s, within_s)


async def _mongodb(settings: GameLogSettings, within_s: float) -> str:
    from services.gamelog import mongodb_schema
    from services.gamelog.events.mongodb_store import kept_s
    from shared.stores import mongodb
    from shared.telemetry.metrics import Metrics
    from shared.telemetry.store import StoreTelemetry
    from shared.telemetry.traces import Traces

    metrics = Metrics()
    telemetry = StoreTelemetry(mongodb.STORE, metrics, Traces("gamelog", ""), settings.slow_query_ms)
    try:
        async with (
            asyncio.timeout(within_s),
            mongodb.connect(settings.mongodb_url, 1, settings.store_start_timeout_s, telemetry) as database,
        ):
            return await mongodb_schema.migrate(database, kept_s(settings.retention_days))
    except TimeoutError as error:
        raise MigrationError(
            f"the indexes were not made within {within_s:g} s; the server goes on with them"
        ) from error
    except SavepointError as error:
        raise MigrationError(error.message) from error
    except StoreUnfit as error:
        raise MigrationError(str(error)) from error
    finally:
        metrics.close()
