"""The interop server of each host, once for all tests."""

from collections.abc import AsyncIterator

import pytest

from tests.interop.running import InteropServer, running
from tests.interop.server import HOSTS


@pytest.fixture(scope="session", params=HOSTS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[InteropServer]:
    """The interop server on each host."""
    async with running(request.param) as started:
        yield started
