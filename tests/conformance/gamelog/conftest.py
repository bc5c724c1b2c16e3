"""The game log as its callers see it."""

import pytest
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from tests.support.events import Log
from tests.support.service import Service


@pytest.fixture
def log(gamelog: Service) -> Log:
    """The service over the database whose turn it is."""
    return GameLogServiceStub(gamelog.channel)
