"""The demo on a stack whose leaderboards lie in DynamoDB, with two replicas of each service: exact, also when one of
them is killed while it plays."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local import embedded
from deploy.local.embedded import RunningStack
from deploy.local.servers.dynamodb import no_dynamodb_local
from tests.e2e.test_demo import demo

pytestmark = [
    pytest.mark.skipif(bool(no_dynamodb_local()), reason=no_dynamodb_local()),
    # DynamoDB Local takes some ten times as long as Valkey.
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
async def on_dynamodb(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    directory = tmp_path_factory.mktemp("stack")
    async with embedded.stack(directory, replicas=2, leaderboard_database_type="dynamodb") as stack:
        yield stack


async def test_it_is_exact_though_a_replica_is_killed_while_it_plays(on_dynamodb: RunningStack) -> None:
    playing = asyncio.create_task(demo(on_dynamodb, {"DEMO_LIMIT": "150"}))
    await asyncio.sleep(1.5)
    assert not playing.done(), "it was over before the kill"
    await on_dynamodb.kill("leaderboard-1")
    code, result = await playing
    assert (code, result["matches"], result["mismatches"]) == (0, 150, [])
    await on_dynamodb.whole()
