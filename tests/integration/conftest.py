"""The stores as the services' own code uses them, inside the test's process."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.stores import Stores
from shared.stores import postgres, valkey
from shared.stores.postgres import Postgres
from shared.stores.valkey import Valkey
from shared.telemetry.store import StoreTelemetry


@pytest.fixture(scope="session")
async def database(profile_environment: dict[str, str], store_telemetry: StoreTelemetry) -> AsyncIterator[Postgres]:
    """The profile database."""
    async with postgres.connect(profile_environment["DATABASE_URL"], 5, 10, store_telemetry) as connected:
        yield connected


@pytest.fixture(scope="session")
async def cache_server(stores: Stores, store_telemetry: StoreTelemetry) -> AsyncIterator[Valkey]:
    """The Valkey of the player cache."""
    async with valkey.connect(stores.cache_url, store_telemetry, answer_timeout_s=2, start_timeout_s=5) as connected:
        yield connected
