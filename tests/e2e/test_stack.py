"""The embedded stack, as a developer has it: one command up, one down, nothing lost and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local import embedded
from deploy.local.embedded import RunningStack
from deploy.local.probes import grpc_serving
from deploy.local.settings import CHECKOUT, StackSettings
from tests.support.frozen import frozen, processes

PARTS = ["postgres", "cache", "ranks", "profile", "inventory", "leaderboard", "gamelog", "gateway"]


class CommandLine:
    """`python -m deploy.local` on a data directory and on ports of its own."""

    def __init__(self, data: Path) -> None:
        free = StackSettings.on_free_ports(replicas=2)
        self.ports = {variable: its[0] for variable, its in free.ports().items()}
        chosen = {variable: str(port) for variable, port in self.ports.items()}
        self.environment = {**os.environ, **chosen, "SAVEPOINT_DATA": str(data)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            env=self.environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def status(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return report


@pytest.fixture
def savepoint(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(tmp_path)
    yield command_line
    if (tmp_path / "state.json").exists():  # a test that failed half-way
        command_line("down")


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def alive(report: dict[str, Any]) -> list[int]:
    """The processes of a report that run now."""
    pids = [report["supervisor"], *(part["pid"] for part in report["parts"])]
    return [pid for pid in pids if runs(pid)]


def test_up_shows_every_part_and_down_leaves_no_process(savepoint: CommandLine) -> None:
    up = savepoint("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    assert all(f"✓ {part} " in up.stdout for part in PARTS)
    assert f"Game servers call 127.0.0.1:{savepoint.ports['SAVEPOINT_PORT']}" in up.stdout

    report = savepoint.status()
    assert [part["name"] for part in report["parts"]] == PARTS
    assert {part["health"] for part in report["parts"]} == {"SERVING"}
    assert all(part["version"] and part["address"] and part["memory_mb"] > 1 for part in report["parts"])
    assert report["serving"] is True

    assert savepoint("up").returncode == 4, "a second one says so"
    assert savepoint("up", "--detach").returncode == 0, "what was asked for is so already"

    assert savepoint("down").returncode == 0
    assert alive(report) == []
    assert savepoint("status").returncode == 3
    assert savepoint("down").returncode == 0, "nothing to stop is no failure"


def test_up_with_replicas_runs_so_many_processes_of_each_service(savepoint: CommandLine) -> None:
    up = savepoint("up", "--detach", "--replicas", "2")
    assert up.returncode == 0, up.stdout + up.stderr
    services = [f"{name}-{number}" for name in ("profile", "inventory", "leaderboard", "gamelog") for number in (1, 2)]
    assert all(f"✓ {part} " in up.stdout for part in services)

    report = savepoint.status()
    assert [part["name"] for part in report["parts"]] == ["postgres", "cache", "ranks", *services, "gateway"]
    assert {part["health"] for part in report["parts"]} == {"SERVING"}
    port = savepoint.ports["PROFILE_PORT"]
    addresses = {part["name"]: part["address"] for part in report["parts"]}
    assert (addresses["profile-1"], addresses["profile-2"]) == (f"127.0.0.1:{port}", f"127.0.0.1:{port + 10}")
    logs = Path(savepoint.environment["SAVEPOINT_DATA"]) / "logs"
    assert all((logs / f"{part}.log").stat().st_size for part in services)

    assert savepoint("down").returncode == 0
    assert alive(report) == []


def test_more_connections_than_postgres_takes_are_refused_before_anything_starts(savepoint: CommandLine) -> None:
    up = savepoint("up", "--replicas", "9")
    assert up.returncode == 2
    assert up.stderr == (
        "REPLICAS=9 with CONNECTION_POOL_SIZE=20 may open 540 connections to PostgreSQL, which takes 300 from the "
        "services: lower one of the two\n"
    )


def test_a_killed_supervisor_takes_its_parts_along_and_the_next_up_finds_all_data(savepoint: CommandLine) -> None:
    assert savepoint("up", "--detach").returncode == 0
    report = savepoint.status()
    socket_directory = report["parts"][0]["address"]
    database = f"postgresql://savepoint@/profile?host={socket_directory}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")

    os.kill(report["supervisor"], signal.SIGKILL)
    again = savepoint("up", "--detach")
    assert again.returncode == 0, again.stdout + again.stderr
    assert alive(report) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert savepoint("down").returncode == 0


def backends(savepoint: CommandLine) -> list[int]:
    """Every PostgreSQL process that works in this data directory."""
    data = str(Path(savepoint.environment["SAVEPOINT_DATA"]) / "postgres")
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == data
    ]


@pytest.mark.parametrize("end", ["down", "kill"])
def test_a_frozen_postgres_is_ended_whole_and_the_next_up_works(savepoint: CommandLine, end: str) -> None:
    assert savepoint("up", "--detach").returncode == 0
    report = savepoint.status()
    before = processes(Path(savepoint.environment["SAVEPOINT_DATA"]) / "postgres")
    assert sorted(before) == sorted(backends(savepoint))
    with frozen(before):
        if end == "down":
            began = time.monotonic()
            assert savepoint("down").returncode == 0
            assert time.monotonic() - began < 40
            assert backends(savepoint) == []
        else:
            os.kill(report["supervisor"], signal.SIGKILL)
        again = savepoint("up", "--detach")
        assert again.returncode == 0, again.stdout + again.stderr
        assert not set(before) & set(backends(savepoint))
    assert savepoint("down").returncode == 0
    assert backends(savepoint) == []


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(savepoint: CommandLine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", savepoint.ports["INVENTORY_PORT"]))
        holder.listen()
        up = savepoint("up")
    assert up.returncode == 1
    assert f"port {savepoint.ports['INVENTORY_PORT']} is taken by" in up.stderr
    assert f"(pid {os.getpid()})" in up.stderr
    assert "INVENTORY_PORT=" in up.stderr
    assert len(up.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    async with embedded.stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_is_back_in_seconds(stack: RunningStack, part: str) -> None:
    before = stack.pid(part)
    await stack.kill(part)
    await stack.serving(part, within_s=20)
    assert stack.pid(part) != before


async def test_a_postgres_that_is_killed_while_frozen_is_back_in_seconds(stack: RunningStack) -> None:
    server, *its_backends = processes(stack.stores.postgres.data)
    with frozen([server, *its_backends]):
        await stack.kill("postgres")
        await stack.serving("postgres", within_s=20)
        assert not [pid for pid in its_backends if runs(pid)]


async def status_of(gateway: str, method: str) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(gateway) as channel:
        try:
            await channel.unary_unary(method, bytes, bytes)(b"", timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_the_gateway_says_what_it_cannot_do_in_grpc(stack: RunningStack) -> None:
    assert await status_of(stack.gateway, "/savepoint.nothing.v1.Nothing/Do") is grpc.StatusCode.UNIMPLEMENTED
    assert await status_of(stack.gateway, "/savepoint.profile.v1.ProfileService/Nope") is grpc.StatusCode.UNIMPLEMENTED
    await stack.kill("profile")
    get = "/savepoint.profile.v1.ProfileService/GetPlayer"
    assert await status_of(stack.gateway, get) is grpc.StatusCode.UNAVAILABLE
    assert not await grpc_serving(stack.gateway), "the suite is not SERVING without one of its services"
    assert await grpc_serving(stack.gateway, "savepoint.leaderboard.v1.LeaderboardService")
    await stack.serving("profile")


async def test_the_gateway_knows_the_health_of_every_service_by_name(stack: RunningStack) -> None:
    for service in (
        "savepoint.profile.v1.ProfileService",
        "savepoint.profile.v1.WalletService",
        "savepoint.inventory.v1.InventoryService",
        "savepoint.match.v1.MatchService",
        "savepoint.leaderboard.v1.LeaderboardService",
        "savepoint.gamelog.v1.GameLogService",
    ):
        assert await grpc_serving(stack.gateway, service), service
    async with grpc.aio.insecure_channel(stack.gateway) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await check(health_pb2.HealthCheckRequest(service="savepoint.nothing.v1.Nothing"), timeout=5)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
