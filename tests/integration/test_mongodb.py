"""MongoDB as a store: when a service may start on it, and what its callers hear when it freezes or dies."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient, MongoClient
from savepoint.gamelog.v1 import gamelog_pb2 as pb
from savepoint.gamelog.v1.gamelog_pb2_grpc import GameLogServiceStub

from deploy.local import embedded, ports
from deploy.local.layout import Layout
from deploy.local.part import Command, PartFailedError
from deploy.local.servers.mongodb import MongoDb
from shared.contract.errors import StoreUnavailable
from shared.stores import mongodb
from shared.stores.errors import StoreUnfit
from shared.telemetry.store import StoreTelemetry
from tests.support.errors import failure
from tests.support.events import Log, append, event, new_id
from tests.support.frozen import frozen
from tests.support.mongodb import sockets_left_behind
from tests.support.service import Service, migrate, running


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


@pytest.mark.parametrize("option", ["tsl=secret", "authMechanism=secret", "wtimeoutMS=secret"])
async def test_an_option_that_the_driver_would_leave_out_is_refused(
    store_telemetry: StoreTelemetry, option: str
) -> None:
    with pytest.raises(StoreUnfit, match="MONGODB_URL has an option that there is not") as unfit:
        async with mongodb.connect(f"mongodb://127.0.0.1/db?{option}", 5, 1, store_telemetry):
            pass
    assert "secret" not in str(unfit.value)


async def test_a_url_that_leads_nowhere_is_said_to(store_telemetry: StoreTelemetry) -> None:
    for url, says in (
        ("mongodb+srv://nobody.invalid/db", "MONGODB_URL leads to no server"),
        ("mongodb://127.0.0.1/db?tls=true&tlsCAFile=/nowhere", "MONGODB_URL names a file that cannot be read"),
    ):
        with pytest.raises(StoreUnfit, match=says):
            async with mongodb.connect(url, 5, 0.5, store_telemetry):
                pass


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


class _WithOptions(MongoDb):
    """A server that is started with more options."""

    def __init__(self, layout: Layout, options: Sequence[str]) -> None:
        super().__init__(layout, ports.free(1)[0])
        self._options = options

    def command(self) -> Command:
        made = super().command()
        return replace(made, argv=(*made.argv, *self._options))


@asynccontextmanager
async def server(directory: Path, *options: str) -> AsyncIterator[MongoDb]:
    async with embedded.alone(directory, lambda layout: _WithOptions(layout, options)) as started:
        yield started


def of(part: MongoDb) -> dict[str, str]:
    return {"DATABASE_TYPE": "mongodb", "MONGODB_URL": part.url("gamelog")}


async def not_serving(service: Service) -> None:
    async with asyncio.timeout(15):
        while await service.serving():
            await asyncio.sleep(0.1)


@contextmanager
def answering(part: MongoDb, command: str, code: int) -> Iterator[None]:
    """While the context is open, the server answers a service's command with an error."""
    with MongoClient[Any](part.address, directConnection=True) as client:
        data = {"failCommands": [command], "errorCode": code, "appName": "savepoint"}
        client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)
        yield
        client.admin.command("configureFailPoint", "failCommand", mode="off")


async def test_a_server_that_is_gone_is_said_to_be_unavailable_long_before_the_deadline(tmp_path: Path) -> None:
    async with server(tmp_path / "mongodb") as part:
        await migrate("gamelog", of(part))
        service = Service("gamelog", of(part), tmp_path / "gamelog.log")
        await service.start()
        log: Log = GameLogServiceStub(service.channel)
        await append(log, event("before"))
    try:
        # The health check notices, and with it the driver.
        await not_serving(service)
        began = time.monotonic()
        calls: list[Awaitable[Any]] = [
            log.AppendEvents(pb.AppendEventsRequest(events=[event("a")]), timeout=20),
            log.QueryEvents(pb.QueryEventsRequest(), timeout=20),
            log.AggregateEvents(pb.AggregateEventsRequest(), timeout=20),
            log.TailEvents(pb.TailEventsRequest()).read(),
        ]
        for failed in await asyncio.gather(*(failure(call) for call in calls)):
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert time.monotonic() - began < 8
    finally:
        await service.stop(signal.SIGTERM)
        await service.channel.close()


async def test_what_a_server_says_of_a_member_or_a_user_is_no_bug(tmp_path: Path) -> None:
    async with server(tmp_path / "mongodb", "--enable-test-commands") as part:
        await migrate("gamelog", of(part))
        async with running("gamelog", of(part), tmp_path) as service:
            log: Log = GameLogServiceStub(service.channel)
            # FailedToSatisfyReadPreference and NetworkInterfaceExceededTimeLimit, which the driver does not repeat;
            # Unauthorized, as for a user whose role was taken away.
            for code in (133, 202, 13):
                with answering(part, "insert", code):
                    failed = await failure(append(log, event("a")))
                    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            # Interrupted, by killOp.
            with answering(part, "find", 11601):
                failed = await failure(log.QueryEvents(pb.QueryEventsRequest()))
                assert failed.reason == "DEADLINE_EXCEEDED"
            assert (await append(log, event("after"))).stored == 1


async def test_a_database_that_was_dropped_is_not_served_and_is_used_again_once_it_is_migrated(
    stack: embedded.RunningStack, environment: dict[str, str], tmp_path: Path
) -> None:
    await migrate("gamelog", environment)
    async with running("gamelog", environment, tmp_path) as service:
        log: Log = GameLogServiceStub(service.channel)
        await append(log, event("before"))
        async with database_of(environment) as client:
            await client.drop_database(client.get_default_database().name)
        await not_serving(service)
        for call in (append(log, event("a")), log.TailEvents(pb.TailEventsRequest()).read()):
            assert (await failure(call)).reason == "STORE_UNAVAILABLE"
        await migrate("gamelog", environment)
        async with asyncio.timeout(15):
            while not await service.serving():
                await asyncio.sleep(0.1)
        assert (await append(log, event("after"))).stored == 1


async def test_the_role_read_write_is_enough_but_to_change_the_retention(tmp_path: Path) -> None:
    async with server(tmp_path / "mongodb", "--enable-test-commands") as part:
        await migrate("gamelog", of(part))
        # Unauthorized: MongoDB's readWrite has no collMod, and that of the server here has it.
        with answering(part, "collMod", 13):
            for days, told in (("30", ""), ("60", "dbAdmin to change RETENTION_DAYS")):
                async with running("gamelog", {**of(part), "RETENTION_DAYS": days}, tmp_path) as service:
                    log: Log = GameLogServiceStub(service.channel)
                    assert (await append(log, event("a"))).stored == 1
                    async with asyncio.timeout(15):
                        while told not in service.log.read_text():
                            await asyncio.sleep(0.1)
                    assert 'background_failures_total{job="keep-retention"} 0.0' in await service.scrape()
