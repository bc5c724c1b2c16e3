"""REPLICATION_MODE=cluster: the standby is promoted and the primary killed under load. With synchronous replication
nothing that was acknowledged is lost, and writes resume without a restart of a service."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc import aio
from savepoint.profile.v1 import wallet_pb2 as wallet

from deploy.local.servers.replicated_postgres import ReplicatedPostgres
from tests.integration.test_sql_replicas import pairs
from tests.support.errors import failure
from tests.support.frozen import frozen, processes
from tests.support.replicated import BOUND_S, Servers, Services, adjusts, gets, grants, served, servers, services

CALLERS = 32
RESUMES_WITHIN_S = 10
# What a game server sends again, under the same request_id (docs/guide.md).
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass
class Caller:
    """One player who earns coins, gives some to the next one and collects items, and what was acknowledged of that."""

    suite: Services
    player_id: str
    earned: int = 0
    items: int = 0
    sent: int = 0
    received: int = 0
    # When each call that was answered began for the last time, and ended.
    answered: list[tuple[float, float]] = field(default_factory=list)

    async def turn(self, other: "Caller") -> None:
        await self.answer(self.suite.wallets.AdjustCoins, adjusts(self.player_id, 2))
        self.earned += 2
        transfer = wallet.TransferCoinsRequest(
            request_id=str(uuid.uuid4()),
            sender_player_id=self.player_id,
            receiver_player_id=other.player_id,
            amount=1,
            reason="test",
        )
        await self.answer(self.suite.wallets.TransferCoins, transfer)
        self.sent += 1
        other.received += 1
        granted = await self.answer(self.suite.items.GrantItem, grants(self.player_id))
        self.items += 1
        assert granted.item.quantity == self.items

    async def answer(self, rpc: Any, request: Any) -> Any:
        while True:
            begun = time.monotonic()
            try:
                answer = await rpc(request, timeout=3)
                self.answered.append((begun, time.monotonic()))
                return answer
            except aio.AioRpcError as error:
                if error.code() not in AGAIN:
                    raise
            await asyncio.sleep(0.05)

    async def check(self) -> None:
        coins = (
            await self.suite.wallets.GetWallet(wallet.GetWalletRequest(player_id=self.player_id), timeout=BOUND_S)
        ).wallet.coins
        assert coins == self.earned - self.sent + self.received
        quantity = (await self.suite.items.GetItem(gets(self.player_id), timeout=BOUND_S)).item.quantity
        assert quantity == self.items


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Servers, Services]]:
    directory = tmp_path_factory.mktemp("cluster")
    async with (
        servers(directory / "servers", replication_mode="cluster", synchronous_replication="true") as running,
        services(running, directory) as suite,
    ):
        yield running, suite


@pytest.fixture
async def another_cluster(tmp_path: Path) -> AsyncIterator[tuple[Servers, Services]]:
    async with (
        servers(tmp_path / "servers", replication_mode="cluster", synchronous_replication="true") as running,
        services(running, tmp_path) as suite,
    ):
        yield running, suite


async def promoted(standby: ReplicatedPostgres) -> None:
    assert await standby.ask("SELECT pg_promote()") == "t"


async def promote_then_kill(over: Servers) -> None:
    """As a manager does that moves the primary on purpose, and fences the old one."""
    await promoted(over.replicas[0])
    over.kill_for_good(over.primary)


async def kill_then_promote(over: Servers) -> None:
    """As a manager does that finds the primary dead."""
    over.kill_for_good(over.primary)
    await asyncio.sleep(2)
    await promoted(over.replicas[0])


async def test_a_write_that_the_standby_lacks_is_not_acknowledged_when_it_is_repeated(
    cluster: tuple[Servers, Services],
) -> None:
    over, suite = cluster
    player_id, _ = await suite.player()
    request = adjusts(player_id)
    with frozen(processes(over.replicas[0].data)):
        for _ in range(2):
            # The first attempt is committed on the primary and waits for the standby until its deadline. The second one
            # finds the record of the first.
            refused = await failure(suite.wallets.AdjustCoins(request, timeout=1))
            assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
        seen = await suite.wallets.GetWallet(wallet.GetWalletRequest(player_id=player_id), timeout=1)
        assert seen.wallet.coins == 1, "the repetition had nothing to find"
    answer = await suite.wallets.AdjustCoins(request, timeout=BOUND_S)
    assert answer.wallet.coins == 1


async def test_a_failover_under_load_loses_nothing_and_writes_resume(cluster: tuple[Servers, Services]) -> None:
    await loses_nothing(*cluster, kill_then_promote)


@pytest.mark.thorough
async def test_a_failover_on_purpose_under_load_loses_nothing(another_cluster: tuple[Servers, Services]) -> None:
    await loses_nothing(*another_cluster, promote_then_kill)


async def loses_nothing(over: Servers, suite: Services, failover: Callable[[Servers], Awaitable[None]]) -> None:
    assert await over.primary.ask("SELECT sync_state FROM pg_stat_replication") == "sync"
    callers = [Caller(suite, (await suite.player())[0]) for _ in range(CALLERS)]
    pids = (suite.profile.pid, suite.inventory.pid)
    finished = asyncio.Event()

    async def goes_on(number: int) -> None:
        while not finished.is_set():
            await callers[number].turn(callers[(number + 1) % CALLERS])

    load = [asyncio.create_task(goes_on(number)) for number in range(CALLERS)]
    async with asyncio.timeout(BOUND_S):
        while not all(caller.items for caller in callers):
            assert not any(task.done() for task in load)
            await asyncio.sleep(0.05)
    began = time.monotonic()
    await failover(over)
    over_at = time.monotonic()
    async with asyncio.timeout(RESUMES_WITHIN_S):
        while not all(caller.answered and caller.answered[-1][0] > over_at for caller in callers):
            assert not any(task.done() for task in load)
            await asyncio.sleep(0.05)
    resumed = max(min(end for begun, end in caller.answered if begun > over_at) for caller in callers)
    print(f"everybody writes again {resumed - over_at:.2f} s after the failover")
    await asyncio.sleep(1)
    finished.set()
    await asyncio.gather(*load)
    assert any(begun < over_at < end for caller in callers for begun, end in caller.answered), "it has met no call"
    assert over_at - began < RESUMES_WITHIN_S
    for caller in callers:
        await caller.check()
    assert (suite.profile.pid, suite.inventory.pid) == pids
    assert await suite.profile.serving()
    assert await suite.inventory.serving()
    assert await over.replicas[0].ask("SELECT pg_is_in_recovery()") == "f"
    # The old primary comes back as a replica of the new one, and what it had is kept aside.
    await over.start(over.primary)
    async with asyncio.timeout(20):
        while await over.primary.ask("SELECT status FROM pg_stat_wal_receiver") != "streaming":
            await asyncio.sleep(0.1)
    assert list(over.primary.data.parent.glob("postgres.replaced-*"))


@pytest.mark.thorough
async def test_a_token_of_the_new_primary_is_not_satisfied_by_a_replica_of_the_old_one(tmp_path: Path) -> None:
    chosen = {"replication_mode": "replica", "synchronous_replication": "true"}
    async with servers(tmp_path / "servers", replicas=2, **chosen) as over:
        over.several_hosts = True
        async with services(over, tmp_path) as suite:
            assert await pairs(suite, 500, with_token=True) == 0
            await kill_then_promote(over)
            async with asyncio.timeout(RESUMES_WITHIN_S):
                while not (await suite.profile.serving() and await suite.inventory.serving()):
                    await asyncio.sleep(0.1)
            assert await pairs(suite, 500, with_token=True) == 0
            # One replica is the primary now, and answers as one that has everything. The other one follows nobody.
            before = await served(suite.profile)
            assert await pairs(suite, 500, with_token=True) == 0
            after = await served(suite.profile)
            assert after["postgresql_replica_1"] - before["postgresql_replica_1"] > 50


@pytest.mark.thorough
async def test_a_connection_to_a_server_that_takes_no_writes_any_more_is_given_up(
    another_cluster: tuple[Servers, Services],
) -> None:
    over, suite = another_cluster
    player_id, _ = await suite.player()
    # The connections stay, and their server refuses writes: as with a proxy that leads elsewhere since.
    await over.primary.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    await over.primary.ask("SELECT pg_reload_conf()")
    await promoted(over.replicas[0])
    began = time.monotonic()
    async with asyncio.timeout(RESUMES_WITHIN_S):
        while True:
            with suppress(aio.AioRpcError):
                await suite.wallets.AdjustCoins(adjusts(player_id), timeout=3)
                break
            await asyncio.sleep(0.05)
    print(f"written again after {time.monotonic() - began:.2f} s")
    url = over.replicas[0].url("profile")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("SELECT coins FROM players WHERE player_id = %s", [player_id])
        assert await cursor.fetchone() == (1,)
    async with asyncio.timeout(RESUMES_WITHIN_S):
        while not await suite.profile.serving():
            await asyncio.sleep(0.1)
