"""The pool against what empties pools: callers that leave at any instant, a server that freezes, what gets lost."""

import asyncio
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from savepoint.profile.v1 import wallet_pb2
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local import embedded
from deploy.local.suite import Stores
from shared import deadline, postgres
from shared.errors import DeadlineReached, SavepointError, StoreUnavailable
from shared.postgres import Postgres
from shared.queries import Query
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from tests.conftest import Players
from tests.integration.test_postgres import MINE, ONE, POOL_SIZE, SLEEP, Row, all_connections_are_free
from tests.integration.test_telemetry import value
from tests.support.crowd import crowd
from tests.support.frozen import frozen, processes
from tests.support.service import Service, migrate, running

# Longer for whoever looks into it: CROWD_SECONDS=300 pytest -k crowd --timeout 1000.
CROWD_S = float(os.environ.get("CROWD_SECONDS", "3"))


@pytest.fixture
async def small(profile_environment: dict[str, str], store_telemetry: StoreTelemetry) -> AsyncIterator[Postgres]:
    url = profile_environment["DATABASE_URL"]
    async with postgres.connect(url, POOL_SIZE, 10, store_telemetry) as connected:
        yield connected


@pytest.fixture(scope="module")
async def own_stores(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    """Stores of these tests' own, which they may freeze."""
    async with embedded.stores(tmp_path_factory.mktemp("frozen")) as started:
        yield started


async def test_callers_that_leave_at_any_instant_leave_the_pool_whole(small: Postgres) -> None:
    until = time.monotonic() + 3
    ends: Counter[str] = Counter()

    async def caller() -> None:
        while time.monotonic() < until:
            call = asyncio.create_task(small.fetch(SLEEP, {"seconds": random.uniform(0, 0.002)}, Row))
            _, waiting = await asyncio.wait([call], timeout=random.uniform(0, 0.03))
            if waiting:
                call.cancel()
            [result] = await asyncio.gather(call, return_exceptions=True)
            ends[type(result).__name__] += 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(caller() for _ in range(64)))
    assert set(ends) == {"list", "CancelledError"}, ends
    began = time.monotonic()
    await all_connections_are_free(small)
    assert await asyncio.gather(*(small.fetch(ONE, {}, Row) for _ in range(100))) == [[Row(1)]] * 100
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("callers", "deadline_s", "cancelling"), [(600, 0.4, 0.0), (64, 10.0, 1 / 3)], ids=["impatient", "cancelling"]
)
async def test_a_service_outlives_a_crowd(
    profile_environment: dict[str, str],
    tmp_path: Path,
    players: Players,
    callers: int,
    deadline_s: float,
    cancelling: float,
) -> None:
    player_ids = await players(20)
    environment = {**profile_environment, "CONNECTION_POOL_SIZE": "5", "LOG_LEVEL": "INFO"}
    async with running("profile", environment, tmp_path) as service:
        ends = await crowd(
            service.address,
            player_ids,
            callers=callers,
            seconds=CROWD_S,
            deadline_s=deadline_s,
            cancelling=cancelling,
        )
        assert not ends.keys() - {"OK", "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, ends
        began = time.monotonic()
        stub = WalletServiceStub(service.channel)
        requests = [wallet_pb2.GetWalletRequest(player_id=random.choice(player_ids)) for _ in range(200)]
        await asyncio.gather(*(stub.GetWallet(request, timeout=2) for request in requests))
        assert time.monotonic() - began < 2
        assert await service.serving()
        assert value(await service.scrape(), "db_connections_lost_total", store="postgresql") == 0


async def until_health_is(service: Service, serving: bool, within_s: float) -> float:
    """Seconds until health says so."""
    began = time.monotonic()
    while await service.serving() != serving:
        assert time.monotonic() - began < within_s, f"serving is not {serving} after {within_s} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_health_follows_a_database_that_freezes_and_thaws(
    own_stores: Stores, tmp_path: Path, busy: bool
) -> None:
    environment = {
        "DATABASE_URL": own_stores.postgres_url("profile"),
        "REDIS_URL": own_stores.cache_url,
        "CONNECTION_POOL_SIZE": "5",
    }
    await migrate("profile", environment)
    async with running("profile", environment, tmp_path) as service:
        load = asyncio.create_task(
            crowd(service.address, [str(uuid.uuid4())], callers=16 if busy else 0, seconds=8, deadline_s=10)
        )
        await asyncio.sleep(1)
        with frozen(processes(own_stores.postgres.data)):
            await until_health_is(service, False, within_s=5)
        await until_health_is(service, True, within_s=2.5)
        await load


