"""The database as the tests look into it, past the services."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.conformance.database import Environments


@pytest.fixture
async def tables(environments: Environments) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection to profile's tables."""
    url = environments["profile"]["DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection
