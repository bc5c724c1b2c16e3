"""MongoDB as a store: when a service may start on it, and what its callers hear when it freezes or dies."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from deploy.local import embedded, ports
from deploy.local.part import PartFailedError
from shared.contract.errors import StoreUnavailable
from shared.stores import mongodb
from shared.stores.errors import StoreUnfit
from shared.telemetry.store import StoreTelemetry
from tests.support.errors import failure
from tests.support.events import Log, append, event, new_id
from tests.support.frozen import frozen
from tests.support.mongodb import sockets_left_behind
from tests.support.service import migrate, running


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[embedded.RunningStack]:
    directory = tmp_path_factory.mktemp("mongodb")
    async with embedded.stack(directory, gamelog_database_type="mongodb") as made:
        yield made


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    with sockets_left_behind():
        yield


@pytest.fixture
def environment(stack: embedded.RunningStack) -> dict[str, str]:
    """Of a game log on a database of its own."""
    url = stack.environment("gamelog")["MONGODB_URL"]
    return {"DATABASE_TYPE": "mongodb", "MONGODB_URL": re.sub(r"/\w+\?", f"/t{new_id()[:8]}?", url)}


def database_of(environment: dict[str, str]) -> AsyncMongoClient[dict[str, object]]:
    return AsyncMongoClient(environment["MONGODB_URL"].partition("?")[0], directConnection=True)


async def test_a_service_does_not_start_without_its_indexes_and_says_how_to_get_them(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(PartFailedError, match=r"bring it to this version with: python -m services\.gamelog migrate"):
        async with running("gamelog", {**environment, "STORE_START_TIMEOUT_S": "1"}, tmp_path):
            pass
    await migrate("gamelog", environment)
    await migrate("gamelog", {**environment, "RETENTION_DAYS": "7"})
    async with running("gamelog", environment, tmp_path):
        pass


async def test_a_service_does_not_start_on_indexes_of_a_newer_version(
    environment: dict[str, str], tmp_path: Path
) -> None:
    await migrate("gamelog", environment)
    async with database_of(environment) as client:
        await client.get_default_database()["schema"].update_one({}, {"$inc": {"version": 1}})
    with pytest.raises(PartFailedError, match="this version of the gamelog service is older than the database"):
        async with running("gamelog", environment, tmp_path):
            pass


async def test_a_url_that_is_none_is_said_without_its_password(store_telemetry: StoreTelemetry) -> None:
    for url in (
        "mongodb://u:secret@host:port/db",
        "mongodb://u:se@cret@host/db",
    ):
        with pytest.raises(StoreUnfit, match="MONGODB_URL cannot be read") as unfit:
            async with mongodb.connect(url, 5, 1, store_telemetry):
                pass
        assert "secret" not in str(unfit.value)


async def test_a_server_that_is_not_there_is_waited_for_and_given_up(store_telemetry: StoreTelemetry) -> None:
    [port] = ports.free(1)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        async with mongodb.connect(f"mongodb://127.0.0.1:{port}/db", 5, 2, store_telemetry):
            pass
    assert 2 <= time.monotonic() - began < 8


async def test_a_frozen_server_ends_calls_by_their_deadline_and_is_used_again_when_it_is_back(
    stack: embedded.RunningStack, environment: dict[str, str], tmp_path: Path
) -> None:
    await migrate("gamelog", environment)
    async with running("gamelog", environment, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        await append(log, event("before"))
        with frozen([stack.pid("mongodb")]):
            began = time.monotonic()
            calls: list[Awaitable[Any]] = [
                log.AppendEvents(pb.AppendEventsRequest(events=[event("a")]), timeout=2),
                log.QueryEvents(pb.QueryEventsRequest(), timeout=2),
                log.AggregateEvents(pb.AggregateEventsRequest(), timeout=2),
            ]
            codes = [(await failure(call)).code for call in calls]
            assert time.monotonic() - began < 4
            assert set(codes) <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
            async with asyncio.timeout(10):
                while await service.serving():
                    await asyncio.sleep(0.1)
        async with asyncio.timeout(20):
            while not await service.serving():
                await asyncio.sleep(0.1)
        assert (await append(log, event("after"))).stored == 1
        assert 'db_query_duration_seconds_count{query_type="insert",store="mongodb",table="events"}' in (
            await service.scrape()
        )
