"""The game log as its callers see it."""

from collections.abc import Iterator

import pytest
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from tests.support.events import Log
from tests.support.mongodb import sockets_left_behind
from tests.support.service import Service


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    with sockets_left_behind():
        yield


@pytest.fixture
def log(gamelog: Service) -> Log:
    """The service over the database whose turn it is."""
    return GameLogServiceStub(gamelog.channel)
