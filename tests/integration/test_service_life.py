"""A service from its start to its stop."""

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
import trustme
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

if TYPE_CHECKING:
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub

from deploy.local.stores import Stores
from tests.integration.test_telemetry import value
from tests.support.errors import failure, failure_of
from tests.support.service import ROOT, Service, migrate, running, starts_with


async def test_bad_settings_stop_the_start_and_are_all_named(profile_environment: dict[str, str]) -> None:
    bad = {"CONNECTION_POOL_SIZE": "4", "REPLICATION_MODE": "pair", "DATABASE_TYPE": "mongodb"}
    code, message = await starts_with({**profile_environment, **bad}, "serve")
    assert code == 1
    assert len(message.splitlines()) == len(bad)
    assert all(variable in message for variable in bad)


@pytest.mark.parametrize(
    ("mode", "url", "takes"),
    [
        ("cluster", "unix:///run/secret.sock?db=0", "in a cluster it takes some of the nodes"),
        ("cluster", "redis://:secret@node1:6379/3", "there is no database but 0"),
        ("replica", "unix:///run/secret.sock?db=0", "under Sentinel it takes the sentinels"),
        ("single", "redis://:secret@node1:6379,node2:6379/0", "with one server it takes"),
    ],
)
async def test_a_redis_url_that_its_mode_cannot_use_stops_the_start(
    profile_environment: dict[str, str], tmp_path: Path, mode: str, url: str, takes: str
) -> None:
    environment = {
        **Service("profile", profile_environment, tmp_path / "log").environment,
        "CACHE_REPLICATION_MODE": mode,
        "REDIS_URL": url,
    }
    code, message = await starts_with(environment, "serve")
    assert code == 1
    assert "setting REDIS_URL (value not shown) cannot be used: " in message
    assert takes in message
    assert "secret" not in message
    assert "Traceback" not in message


async def test_a_store_that_is_not_there_stops_the_start_with_one_reason(
    profile_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {
        **Service("profile", profile_environment, tmp_path / "log").environment,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "STORE_START_TIMEOUT_S": "1",
    }
    code, message = await starts_with(environment, "serve")
    assert code == 1
    assert "the postgresql store does not answer" in message
    assert "Traceback" not in message


async def test_a_database_that_is_not_in_utf8_stops_the_start(
    profile_environment: dict[str, str], stores: Stores, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(stores.postgres_url("postgres"), autocommit=True) as connection:
        await connection.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    service = Service("profile", profile_environment, tmp_path / "log")
    code, message = await starts_with({**service.environment, "DATABASE_URL": stores.postgres_url("ascii")}, "serve")
    assert code == 1
    assert "DATABASE_URL names a database in SQL_ASCII" in message
    assert "Traceback" not in message


async def test_a_taken_port_stops_the_start(profile: Service, tmp_path: Path) -> None:
    other = Service("profile", profile.environment, tmp_path / "log")
    code, message = await starts_with({**other.environment, "LISTEN": profile.address}, "serve")
    assert code == 1
    assert f"LISTEN {profile.address}" in message


async def test_health_answers_for_the_process_and_each_service(profile: Service) -> None:
    check = health_pb2_grpc.HealthStub(profile.channel).Check  # type: ignore[attr-defined] # missing in its types
    for name in ("", "savepoint.profile.v1.ProfileService", "savepoint.profile.v1.WalletService"):
        answer = await check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    code, _ = await starts_with(profile.environment, "health")
    assert code == 0
    code, message = await starts_with({**profile.environment, "LISTEN": "127.0.0.1:1"}, "health")
    assert code == 1
    assert "127.0.0.1:1" in message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_lets_calls_in_flight_end_refused_ones_included(
    profile_environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    results: list[str] = []
    stopping = asyncio.Event()

    async def call(stub: "ProfileServiceAsyncStub", player_id: str) -> None:
        while not stopping.is_set():
            try:
                await stub.GetPlayer(pb.GetPlayerRequest(player_id=player_id), timeout=10)
                results.append("OK")
            except aio.AioRpcError as error:
                results.append(error.code().name)
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return

    service = Service("profile", profile_environment, tmp_path / "log")
    await service.start()
    stub, name = ProfileServiceStub(service.channel), uuid.uuid4().hex
    made = (await stub.CreatePlayer(pb.CreatePlayerRequest(username=name, email=f"{name}@example.com"))).player
    calls = [asyncio.create_task(call(stub, i)) for i in (made.player_id, str(uuid.uuid4()), "nonsense") * 5]
    await asyncio.sleep(0.5)
    code = await service.stop(number)
    stopping.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*calls)
    await service.channel.close()
    assert code == 0
    assert set(results) <= {"OK", "NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE"}, set(results)
    assert '"stopped"' in service.log.read_text()


async def test_a_stop_is_told_before_anything_is_refused(profile_environment: dict[str, str], tmp_path: Path) -> None:
    async with running("profile", {**profile_environment, "SHUTDOWN_NOTICE_S": "2"}, tmp_path) as service:
        stopping = asyncio.create_task(service.stop())
        async with asyncio.timeout(2):
            while await service.serving():
                await asyncio.sleep(0.01)
        # A gateway that has not looked yet still comes, on new connections too.
        async with aio.insecure_channel(service.address) as channel:
            failed = await failure(ProfileServiceStub(channel).GetPlayer(pb.GetPlayerRequest(player_id="nonsense")))
        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
        assert await stopping == 0


async def test_more_calls_than_there_is_room_for_are_told_when_to_come_back(
    profile_environment: dict[str, str], tmp_path: Path
) -> None:
    async with running("profile", {**profile_environment, "MAX_CONCURRENT_CALLS": "1"}, tmp_path) as service:
        stub = ProfileServiceStub(service.channel)
        request = pb.GetPlayerRequest(player_id=str(uuid.uuid4()))
        results = await asyncio.gather(*(stub.GetPlayer(request) for _ in range(50)), return_exceptions=True)
        failures = [failure_of(result) for result in results if isinstance(result, aio.AioRpcError)]
        refused = [failed for failed in failures if failed.reason == "OVERLOADED"]
        assert refused
        assert all(failed.code is grpc.StatusCode.RESOURCE_EXHAUSTED and failed.retry_after_s for failed in refused)
        # And there is room again afterwards.
        assert (await failure(stub.GetPlayer(request))).reason == "PLAYER_NOT_FOUND"


async def test_a_deadline_that_is_already_near_is_answered_as_such(profile: Service) -> None:
    request = pb.GetPlayerRequest(player_id=str(uuid.uuid4()))
    failed = await failure(ProfileServiceStub(profile.channel).GetPlayer(request, timeout=0.01))
    assert failed.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_bytes_that_are_no_message_and_messages_too_large_are_the_callers_fault(profile: Service) -> None:
    method: aio.UnaryUnaryMultiCallable[bytes, bytes] = profile.channel.unary_unary(
        "/savepoint.profile.v1.ProfileService/GetPlayer"
    )
    for raw in (b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a" + b"\x80\x80\xc0\x02" + b"x" * (5 * 1024 * 1024)):
        failed = await failure(method(raw))
        assert (failed.code, failed.field) == (grpc.StatusCode.INVALID_ARGUMENT, "request")
    unknown: aio.UnaryUnaryMultiCallable[bytes, bytes] = profile.channel.unary_unary(
        "/savepoint.profile.v1.ProfileService/Nonsense"
    )
    assert (await failure(unknown(b""))).code is grpc.StatusCode.UNIMPLEMENTED


def encrypted(directory: Path) -> tuple[dict[str, str], grpc.ChannelCredentials]:
    """A service's settings with which it takes calls of clients that it knows only, and what makes us one of them."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1", "localhost")
    cert, key, ca = directory / "cert.pem", directory / "key.pem", directory / "ca.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
    key.write_bytes(own.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
    return {"TLS_CERTIFICATE": str(cert), "TLS_KEY": str(key), "TLS_CLIENT_CA": str(ca)}, credentials


@pytest.mark.parametrize("rpc_host", ["httpunk", "grpc_aio"])
async def test_a_service_that_takes_encrypted_calls_tells_its_own_health(
    profile_environment: dict[str, str], tmp_path: Path, rpc_host: str
) -> None:
    tls, credentials = encrypted(tmp_path)
    environment = {**profile_environment, **tls, "RPC_HOST": rpc_host}
    async with running("profile", environment, tmp_path, credentials) as service:
        assert await starts_with(service.environment, "health") == (0, "")


async def test_services_take_encrypted_calls_from_each_other(
    stores: Stores, profile_environment: dict[str, str], tmp_path: Path
) -> None:
    tls, credentials = encrypted(tmp_path)
    authority = {"PROFILE_CA": tls["TLS_CLIENT_CA"]}
    inventory_environment = {"DATABASE_URL": stores.postgres_url("inventory"), **authority, **tls}
    await migrate("inventory", inventory_environment)
    async with (
        running("profile", {**profile_environment, **tls}, tmp_path, credentials) as profile,
        running(
            "inventory", {**inventory_environment, "PROFILE_TARGET": profile.address}, tmp_path, credentials
        ) as inventory,
    ):
        name = uuid.uuid4().hex
        request = pb.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        player = (await ProfileServiceStub(profile.channel).CreatePlayer(request)).player
        grant = inventory_pb2.GrantItemRequest(
            request_id=str(uuid.uuid4()),
            grant=inventory_pb2.ItemGrant(player_id=player.player_id, item_type="weapon", item_id="sword", quantity=1),
        )
        assert (await InventoryServiceStub(inventory.channel).GrantItem(grant)).item.quantity == 1
        async with aio.insecure_channel(profile.address) as plain:
            stub = ProfileServiceStub(plain)
            failed = await failure(stub.GetPlayer(pb.GetPlayerRequest(player_id=player.player_id), timeout=5))
            assert failed.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("given", [("TLS_CERTIFICATE", "TLS_KEY"), ("TLS_CERTIFICATE",), ("TLS_CLIENT_CA",)])
async def test_a_certificate_that_cannot_be_used_stops_the_start(
    profile: Service, tmp_path: Path, given: tuple[str, ...]
) -> None:
    other = Service("profile", profile.environment, tmp_path / "log")
    nowhere = {variable: str(tmp_path / "none.pem") for variable in given}
    code, message = await starts_with({**other.environment, **nowhere}, "serve")
    assert code == 1
    assert "TLS_CERTIFICATE" in message


SERVES_SO = """
import asyncio
from contextlib import asynccontextmanager

from services.leaderboard.settings import LeaderboardSettings
from shared.service import cli
from shared.service.hosted import Hosted
from shared.work.background import Job

async def fail():
    await asyncio.sleep(0.1)
    raise ValueError("beyond repair")

pings = 0

async def odd_ping():
    global pings
    pings += 1
    if pings > 1:
        raise asyncio.CancelledError  # and nobody has cancelled it

@asynccontextmanager
async def build(runtime):
    yield Hosted(served=[], {hosted})

cli.main("odd", LeaderboardSettings, build)
"""


@asynccontextmanager
async def odd_service(hosted: str, directory: Path) -> AsyncIterator[Service]:
    """A service with faults of its own: `hosted` is its essential stores and its background work."""
    service = Service("leaderboard", {"REDIS_URL": "unix:///nowhere"}, directory / "log")
    with service.log.open("wb") as log:
        service.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SERVES_SO.replace("{hosted}", hosted), "serve"),
            env=service.environment,
            cwd=ROOT,
            stderr=log,
        )
    try:
        yield service
    finally:
        await service.channel.close()
        await service.stop()


async def ended(service: Service) -> tuple[int | None, str]:
    """Its exit code, and the last line it wrote."""
    assert service.process is not None
    async with asyncio.timeout(20):
        await service.process.wait()
    return service.process.returncode, service.log.read_text().splitlines()[-1]


async def test_vital_work_that_fails_ends_the_service(tmp_path: Path) -> None:
    async with odd_service('essential={}, background=[Job("mend", fail, vital=True)]', tmp_path) as service:
        assert await ended(service) == (1, "background work failed: mend: ValueError: beyond repair")


async def test_a_health_watch_that_dies_ends_the_service(tmp_path: Path) -> None:
    async with odd_service('essential={"odd": odd_ping}', tmp_path) as service:
        code, line = await ended(service)
        assert code == 1
        assert line.startswith("background work failed: health: CancelledError")


async def test_other_work_that_fails_is_logged_counted_and_begun_anew(tmp_path: Path) -> None:
    async with odd_service('essential={}, background=[Job("sweep", fail)]', tmp_path) as service:
        async with asyncio.timeout(20):
            while not await service.serving():
                await asyncio.sleep(0.05)
            while value(await service.scrape(), "background_failures_total", job="sweep") < 2:
                await asyncio.sleep(0.1)
        assert await service.serving()
        assert await service.stop() == 0
        lines = [line for line in service.log.read_text().splitlines() if "beyond repair" in line]
        assert len(lines) >= 2
        assert all("Traceback" in line and '"job": "sweep"' in line for line in lines)


async def test_forgetting_old_records_goes_on_after_a_failure(
    stores: Stores, profile_environment: dict[str, str], tmp_path: Path
) -> None:
    name = f"forget_{uuid.uuid4().hex[:8]}"
    async with await psycopg.AsyncConnection.connect(stores.postgres_url("postgres"), autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    environment = {**profile_environment, "DATABASE_URL": stores.postgres_url(name)}
    await migrate("profile", environment)
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        await connection.execute("ALTER TABLE requests RENAME TO gone")
    async with running("profile", environment, tmp_path) as service, asyncio.timeout(20):
        while not value(await service.scrape(), "background_failures_total", job="forget-requests"):
            await asyncio.sleep(0.1)
        assert await service.serving()


async def test_a_stop_while_the_stores_are_waited_for_is_heeded_at_once(
    profile_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {
        **profile_environment,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "STORE_START_TIMEOUT_S": "60",
    }
    service = Service("profile", environment, tmp_path / "log")
    starting = asyncio.create_task(service.start())
    async with asyncio.timeout(15):
        while not service.log.exists() or "error connecting" not in service.log.read_text():
            await asyncio.sleep(0.05)
    began = time.monotonic()
    assert await service.stop() == 0
    assert time.monotonic() - began < 10
    await asyncio.gather(starting, return_exceptions=True)
    await service.channel.close()
