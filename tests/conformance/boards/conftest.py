"""Boards, and two processes that serve them."""

from collections.abc import AsyncIterator

import pytest
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from tests.conformance.database import Environments
from tests.support.boards import Ranks, new_board
from tests.support.service import Service, running


@pytest.fixture
def ranks(leaderboard: Service) -> Ranks:
    return LeaderboardServiceStub(leaderboard.channel)


@pytest.fixture(scope="session")
async def other(
    environments: Environments, leaderboard: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ranks]:
    """Another replica."""
    async with running("leaderboard", environments["leaderboard"], tmp_path_factory.mktemp("other")) as service:
        yield LeaderboardServiceStub(service.channel)


@pytest.fixture
async def board(ranks: Ranks) -> str:
    """A new, empty board."""
    return await new_board(ranks)
