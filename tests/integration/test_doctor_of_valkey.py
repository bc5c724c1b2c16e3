"""The doctor finds each illness of Valkey, made on a real one."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from redis.asyncio import Redis

from deploy.doctor.finding import Finding, Severity
from deploy.doctor.report import Report
from deploy.doctor.targets import (
    boards,
    cache,
)
from deploy.doctor.valkey import topology
from deploy.local import ports
from deploy.local.layout import Layout
from deploy.local.part import Command
from deploy.local.servers.valkey import Cache, Ranks
from tests.support.doctor import found, looked, problems, until
from tests.support.parts import alone


class IllBoards(Ranks):
    """A store that keeps nothing and throws away what it has."""

    settings: ClassVar[dict[str, str]] = {"appendonly": "no", "maxmemory": "4mb", "maxmemory-policy": "allkeys-lru"}


class IllCache(Cache):
    """A cache that never makes room."""

    settings: ClassVar[dict[str, str]] = {"appendonly": "no", "maxmemory": "4mb", "maxmemory-policy": "noeviction"}


async def test_boards_that_may_be_lost(tmp_path: Path) -> None:
    async with alone(IllBoards, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.eval("for n = 1, 5000 do redis.call('SET', 'board' .. n, string.rep('x', 1000)) end", 0)
        report = await looked(boards(part.url))
        assert len(found(report, "append-only log")) == 1
        assert len(found(report, "policy")) == 1
        [evictions] = found(report, "evictions")
        assert evictions.figures["evicted"]
        assert found(report, "memory")


async def test_a_cache_that_cannot_make_room(tmp_path: Path) -> None:
    async with alone(IllCache, tmp_path) as (part, _):
        report = await looked(cache(part.url))
        [finding] = problems(report)
        assert finding.check == "policy"
        assert "volatile-lru" in finding.do


async def test_a_cache_that_is_too_small(tmp_path: Path) -> None:
    async with alone(Cache, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.config_set("maxmemory", "4mb")
        await client.set("forever", "x")
        stop = asyncio.Event()

        async def thrash() -> None:
            script = """for n = 1, 200 do
                local key = ARGV[1] .. ':' .. n
                redis.call('GET', key)
                redis.call('SET', key, string.rep('x', 1000), 'EX', 100)
            end"""
            for number in range(10_000):
                await client.eval(script, 0, str(number))
                if number > 40:
                    thrashing.set()
                if stop.is_set():
                    break

        thrashing = asyncio.Event()
        work = asyncio.create_task(thrash())
        await thrashing.wait()
        report = await looked(cache(part.url))
        stop.set()
        await work
        [evictions] = found(report, "evictions")
        assert "maxmemory" in evictions.do
        [hits] = found(report, "hits", Severity.NOTICE)
        assert hits.figures["hit_ratio"] == 0
        [lasting] = found(report, "lasting keys", Severity.NOTICE)
        assert lasting.figures["lasting"] == 1


async def test_what_holds_a_server_up(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        assert problems(await looked(boards(part.url))) == []
        await client.eval("local s = redis.call('TIME')[1] + 0; for n = 1, 3000000 do local x = n % 7 end; return s", 0)
        await client.zadd("board", {f"entry-{number}": number for number in range(2000)})
        report = await looked(boards(part.url), slow_command_problem_ms=10, big_key_bytes=10_000)
        [slow] = found(report, "slow commands")
        assert "eval" in slow.what.lower()
        [big] = found(report, "big keys", Severity.NOTICE)
        assert big.figures["key"] == "board"


async def test_connections_that_are_turned_away(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        await client.config_set("maxclients", 3)
        held = [await asyncio.open_unix_connection(part.socket) for _ in range(4)]
        await asyncio.sleep(0.1)
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        [finding] = found(await looked(boards(part.url)), "clients", Severity.NOTICE)
        assert finding.figures["rejected"]


class Node(Ranks):
    """A Valkey on a TCP port too."""

    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        # A node of a cluster listens 10,000 above its port too.
        [self.port] = [port for port in ports.free(20) if port < 50_000][:1]
        self.tcp = f"127.0.0.1:{self.port}"

    def command(self) -> Command:
        command = super().command()
        tcp = ("--port", str(self.port), "--bind", "127.0.0.1")
        return replace(command, argv=(*command.argv, *tcp, *self.options))


class ClusterNode(Node):
    """One that belongs to a cluster, and has no slots yet."""

    options: ClassVar[tuple[str, ...]] = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "yes")


async def test_a_cluster_without_all_of_its_slots(tmp_path: Path) -> None:
    async with alone(ClusterNode, tmp_path) as (part, _), Redis.from_url(part.url) as client:
        # Named twice, as two addresses that lead to the same cluster.
        named = boards(f"redis://{part.tcp},localhost:{part.port}")
        [finding] = found(await looked(named), "cluster")
        assert "0 of 16384 slots" in finding.what
        await client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]

        async def whole() -> bool:
            return bool(found(await looked(named), "cluster", Severity.OK))

        await until(whole)


async def test_a_sentinel_that_is_alone_and_misses_its_primary(tmp_path: Path) -> None:
    async with alone(Node, tmp_path / "primary") as (primary, pid):

        class Replica(Node):
            options = ("--replicaof", "127.0.0.1", str(primary.port), "--repl-timeout", "2")

        class Sentinel(Node):
            name = "sentinel"

            async def prepare(self) -> None:
                await super().prepare()
                watch = f"sentinel monitor savepoint 127.0.0.1 {primary.port} 2"
                down = "sentinel down-after-milliseconds savepoint 300"
                listen = f"port {self.port}\nunixsocket {self.socket}"
                (self.data / "sentinel.conf").write_text(f"{listen}\n{watch}\n{down}\n")

            def command(self) -> Command:
                whole = super().command()
                return replace(whole, argv=(whole.argv[0], str(self.data / "sentinel.conf"), "--sentinel"))

        async with (
            alone(Replica, tmp_path / "replica") as (replica, _),
            alone(Sentinel, tmp_path / "sentinel") as (sentinel, _),
        ):
            async with Redis.from_url(f"redis://{sentinel.tcp}") as client:
                await client.execute_command("ACL SETUSER", "default", "resetpass", ">a secret")  # type: ignore[no-untyped-call]
            [unknown] = problems(await looked(boards(f"redis://{sentinel.tcp}/0?primary=savepoint")))
            assert "Authentication" in unknown.what
            named = boards(f"redis://{sentinel.tcp}/0?primary=savepoint", "a secret")

            def of(report: Report, place: str) -> list[Finding]:
                return [each for part in report.parts for each in part.findings if part.address == place]

            async def alone_among_sentinels() -> bool:
                report = await looked(named)
                # Both servers are known, by the sentinel alone.
                return bool(of(report, primary.tcp) and of(report, replica.tcp)) and "NOQUORUM" in str(
                    found(report, "sentinel")
                )

            await until(alone_among_sentinels)
            os.kill(pid, signal.SIGSTOP)
            try:

                async def missed() -> bool:
                    report = await looked(named)
                    return "the primary does not answer" in str(found(report, "sentinel")) and bool(
                        found(report, "connection") and found(report, "replication")
                    )

                await until(missed, 20)
            finally:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("url", ["redis://u:secret/x@h/0", "redis://[::1", "redis://u:secret@h:port/0"])
async def test_a_url_that_cannot_be_read_is_said_without_its_password(url: str) -> None:
    [finding] = problems(await looked(cache(url)))
    assert (finding.check, finding.what) == ("connection", "its URL cannot be read")
    assert "secret" not in f"{finding}"


def test_sentinels_are_asked_over_tls_as_the_servers_are() -> None:
    target = cache("rediss://u:p@s1,s2/3?ssl_ca_certs=/ca.pem&primary=boards&db=3", "their own")
    assert topology._of_sentinel(target, "s1") == "rediss://:their%20own@s1:26379?ssl_ca_certs=%2Fca.pem"
