"""Leaderboards under Sentinel: what a failover, a sentinel that is away, and an old primary that returns come to."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hiredis
import pytest
from redis.asyncio.connection import Connection
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local import engines
from shared.contract.errors import StoreUnavailable
from shared.stores.valkey import Script, Valkey
from shared.stores.valkey.pipeline import opened
from shared.stores.valkey.sentinel import Sentinels
from shared.stores.valkey.url import REPLICA, SINGLE, parse
from shared.telemetry.store import StoreTelemetry
from tests.support import valkeys
from tests.support.board_load import load
from tests.support.boards import Ranks, new_board
from tests.support.service import Service, running
from tests.support.valkeys import Group

AGAIN_WITHIN_S = 10
PUT = Script("put", "return redis.call('SET', KEYS[1], ARGV[1])", "", writes=True)
GET = Script("get", "return redis.call('GET', KEYS[1])", "", writes=False)


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    async with valkeys.group(tmp_path, "replica") as started:
        yield started


@pytest.fixture
async def service(group: Group, tmp_path: Path) -> AsyncIterator[Service]:
    async with running("leaderboard", group.settings, tmp_path) as started:
        yield started


@pytest.fixture
def ranks(service: Service) -> Ranks:
    return LeaderboardServiceStub(service.channel)


@pytest.fixture
async def server(group: Group, store_telemetry: StoreTelemetry) -> AsyncIterator[Valkey]:
    async with group.connect(store_telemetry) as connected:
        yield connected


async def until_replica(group: Group, name: str) -> None:
    async with asyncio.timeout(30):
        while await group.role(name) != "slave":
            await asyncio.sleep(0.05)


@pytest.mark.thorough
async def test_after_the_primary_is_killed_under_load_calls_are_answered_again_and_the_old_one_gets_no_writes(
    group: Group, ranks: Ranks
) -> None:
    boards = [await new_board(ranks) for _ in range(4)]
    async with load(ranks, boards) as callers:
        await asyncio.sleep(1)
        assert not any(caller.failures for caller in callers)
        killed = time.monotonic()
        await group.kill("ranks-1")
        async with asyncio.timeout(AGAIN_WITHIN_S):
            while not all(caller.answers and caller.answers[-1] > killed + 0.5 for caller in callers):
                await asyncio.sleep(0.05)
        assert await group.role("ranks-2") == "master"
        assert any(caller.failures for caller in callers)
        # It comes back as the primary that it was, until the sentinels tell it.
        await group.start("ranks-1")
        await until_replica(group, "ranks-1")
        before = time.monotonic()
        await asyncio.sleep(2)
        assert all(caller.answers[-1] > before + 1 for caller in callers)
        assert not any(failure > before for caller in callers for failure in caller.failures)
    assert await group.scripts_run("ranks-1") == 0
    assert await group.scripts_run("ranks-2") > 0
    # What was answered just before the kill may be lost: replication is asynchronous. Nobody saw that twice.
    assert all(caller.lost <= 1 for caller in callers)


@pytest.mark.thorough
async def test_a_primary_that_hangs_is_left_for_the_one_that_the_sentinels_name(group: Group, server: Valkey) -> None:
    await server.run(PUT, ["x"], ["1"])
    with group.stopped("ranks-1"):
        async with asyncio.timeout(AGAIN_WITHIN_S):
            while await group.role("ranks-2") != "master":
                await asyncio.sleep(0.1)
            await until_answered(server, PUT, "2")
    assert await server.run(GET, ["x"]) == b"2"
    await until_replica(group, "ranks-1")
    assert await server.run(GET, ["x"]) == b"2"


async def test_a_sentinel_that_was_away_misleads_nobody(
    group: Group, server: Valkey, store_telemetry: StoreTelemetry
) -> None:
    await group.kill("ranks-sentinel-1")
    await group.kill("ranks-1")
    async with asyncio.timeout(AGAIN_WITHIN_S):
        await until_answered(server, PUT, "1")
    # Both come back as they were: one is a primary, which the others end some seconds later, and one names it.
    await group.start("ranks-1")
    starting = asyncio.create_task(group.start("ranks-sentinel-1"))
    while not await group.node("ranks-sentinel-1").serving():
        await asyncio.sleep(0.01)
    assert await group.role("ranks-1") == "master"
    # It hears of the other one after a second or two.
    sentinels = Sentinels(parse(group.settings["REDIS_URL"], REPLICA), group.settings["SENTINEL_PASSWORD"], 1)
    for _ in range(30):
        found = (await sentinels.find())()
        assert isinstance(found, Connection)
        assert found.port == group.node("ranks-2").port
    async with group.connect(store_telemetry) as newcomer:
        await newcomer.run(PUT, ["x"], ["2"])
    await starting
    assert await group.scripts_run("ranks-1") == 0
    assert await server.run(GET, ["x"]) == b"2"


async def test_the_new_primary_is_found_while_the_failover_still_waits_for_another_replica(
    group: Group, tmp_path: Path
) -> None:
    async with third_server(group, tmp_path) as third:
        # The primary is the one of the higher port from here on.
        await handed_over(group, "ranks-2")
        # A replica that cannot follow the next primary: until it does, the failover goes on, here for three seconds. By
        # default that may be three minutes.
        async with asyncio.timeout(20):
            while b"master_link_status:up" not in await third("INFO", "replication"):
                await asyncio.sleep(0.05)
        await third("CONFIG", "SET", "masterauth", "wrong")
        await handed_over(group, "ranks-1")
        sentinels = Sentinels(parse(group.settings["REDIS_URL"], REPLICA), group.settings["SENTINEL_PASSWORD"], 1)
        asked = 0
        while "failover_in_progress" in await flags(group):
            found = (await sentinels.find())()
            assert isinstance(found, Connection)
            assert found.port == group.node("ranks-1").port
            asked += 1
        assert asked > 10, "the failover was over too soon"


async def flags(group: Group) -> str:
    """What the first sentinel says of what it watches."""
    said = await group.ask("ranks-sentinel-1", "SENTINEL", "MASTER", "savepoint")
    flags: str = said[b"flags"].decode()
    return flags


async def handed_over(group: Group, to: str) -> None:
    """Has the first sentinel make a server the primary, and waits until all of them say so."""
    async with asyncio.timeout(30):
        while "failover_in_progress" in await flags(group):
            await asyncio.sleep(0.05)
        while True:
            try:
                await group.ask("ranks-sentinel-1", "SENTINEL", "FAILOVER", "savepoint")
                break
            except hiredis.ReplyError:
                # No replica is good enough yet.
                await asyncio.sleep(0.1)
        port = str(group.node(to).port).encode()
        for name in [name for name in group.every_name if name not in group.names]:
            while (await group.ask(name, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "savepoint"))[1] != port:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def third_server(group: Group, directory: Path) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """One more replica of the first server, which the sentinels know, and which never becomes the primary: how it is
    asked something."""
    password = group.node("ranks-1").password.value
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": directory,
        "requirepass": password,
        "masterauth": password,
        "replica-priority": 0,
        "save": '""',
        "replicaof": f"127.0.0.1 {group.node('ranks-1').port}",
    }
    configuration = directory / "third.conf"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    process = await asyncio.create_subprocess_exec(
        str(engines.valkey()), str(configuration), stdout=asyncio.subprocess.DEVNULL
    )

    async def ask(*words: str) -> Any:
        # A new connection each time: a server closes those that it has when it is told of another primary.
        async with opened(parse(f"redis://:{password}@127.0.0.1:{port}/0", SINGLE).connection(), 5) as client:
            return await client.ask(*words)

    try:
        async with asyncio.timeout(30):
            while int((await group.ask("ranks-sentinel-1", "SENTINEL", "MASTER", "savepoint"))[b"num-slaves"]) < 2:
                await asyncio.sleep(0.1)
        yield ask
    finally:
        process.kill()
        await process.wait()


@pytest.mark.thorough
async def test_a_replica_that_was_told_behind_the_sentinels_backs_gets_no_more_calls(
    group: Group, server: Valkey
) -> None:
    await server.run(PUT, ["x"], ["1"])
    # The server keeps the connection; only the check, and the refusal of writes, tell.
    other = group.node("ranks-2").port
    await group.ask("ranks-2", "REPLICAOF", "NO", "ONE")
    await group.ask("ranks-1", "REPLICAOF", "127.0.0.1", str(other))
    await asyncio.sleep(2)
    calls = await group.scripts_run("ranks-1")
    with pytest.raises(StoreUnavailable):
        await server.run(PUT, ["x"], ["2"])
    assert await group.scripts_run("ranks-1") == calls


async def until_answered(server: Valkey, script: Script, value: str) -> None:
    while True:
        try:
            await server.run(script, ["x"], [value])
            return
        except StoreUnavailable:
            await asyncio.sleep(0.1)
