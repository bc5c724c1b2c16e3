"""The whole suite, as a game server meets it: one address, the gateway's."""

from collections.abc import AsyncIterator

import pytest
from grpc import aio

from deploy.local import embedded
from deploy.local.embedded import RunningStack


@pytest.fixture(scope="session")
async def suite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """Stores, services and gateway, running."""
    async with embedded.stack(tmp_path_factory.mktemp("suite")) as running:
        yield running


@pytest.fixture(scope="session")
async def gateway(suite: RunningStack) -> AsyncIterator[aio.Channel]:
    """A channel to the gateway."""
    async with aio.insecure_channel(suite.gateway) as channel:
        yield channel
