"""Patroni as deploy/patroni sets it up: the primary's PostgreSQL is killed under load, Patroni promotes the standby,
and the services go on. Needs Debian's packages patroni and etcd-server."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from deploy.local import embedded, engines, ports
from deploy.local.part import Command
from deploy.local.process import end, spawn
from deploy.local.settings import CHECKOUT
from tests.e2e.test_failover import Caller
from tests.support.replicated import Services, services_with

SHIPPED = CHECKOUT / "deploy" / "patroni"
# `ttl` of patroni.yml, and what a promotion takes.
RESUMES_WITHIN_S = 25
CALLERS = 16
NOBODY = 65534

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not shutil.which("patroni") or not shutil.which("etcd"),
        reason="needs Patroni and etcd: apt-get install patroni etcd-server",
    ),
    pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="gives PostgreSQL to another user, as root"),
]


@asynccontextmanager
async def program(
    argv: tuple[str, ...], environment: Mapping[str, str], log: Path, *setpriv: str
) -> AsyncIterator[int]:
    """Runs it while the context is open. The result is its pid."""
    process = await spawn(
        Command(argv, {"PATH": os.environ["PATH"], **environment}, Path("/"), setpriv), log, signal.SIGTERM
    )
    try:
        yield process.pid
    finally:
        await end(process, signal.SIGTERM, 20)


def nodes(directory: Path, etcd: int) -> list[dict[str, str]]:
    """Two nodes of Patroni, each with the environment that node.env.example asks for."""
    return [
        {
            "PATRONI_NAME": f"db-{number}",
            "PATRONI_ETCD3_HOSTS": f"127.0.0.1:{etcd}",
            "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{rest}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{rest}",
            "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{port}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{port}",
            "PATRONI_POSTGRESQL_DATA_DIR": str(directory / f"db-{number}"),
            "PATRONI_POSTGRESQL_BIN_DIR": str(engines.postgres("postgres").parent),
            "PATRONI_POSTGRESQL_PGPASS": str(directory / f"pgpass-{number}"),
            "PATRONI_SUPERUSER_USERNAME": "postgres",
            "PATRONI_SUPERUSER_PASSWORD": "super",
            "PATRONI_REPLICATION_USERNAME": "replicator",
            "PATRONI_REPLICATION_PASSWORD": "replica",
            "SAVEPOINT_PASSWORD": "secret",
            "PATH": f"{engines.postgres('psql').parent}:{os.environ['PATH']}",
        }
        for number, (rest, port) in enumerate([ports.free(2), ports.free(2)], 1)
    ]


async def roles(url: str, each: list[dict[str, str]]) -> list[str]:
    """Of each node whether it is a primary, a standby, or down."""
    found = []
    for node in each:
        address = node["PATRONI_POSTGRESQL_CONNECT_ADDRESS"].replace(":", " port=")
        dsn = f"host={address} user=postgres password=super dbname={url} connect_timeout=2"
        try:
            async with await psycopg.AsyncConnection.connect(dsn) as connection:
                row = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
                found.append("standby" if row == (True,) else "primary")
        except psycopg.OperationalError:
            found.append("down")
    return found


async def has_synchronous_standby(node: Mapping[str, str]) -> bool:
    """Whether Patroni holds one of its standbys for synchronous. Before that it starts a killed primary again, rather
    than promote a standby that may lack what was acknowledged."""

    def ask() -> bytes:
        with urllib.request.urlopen(f"http://{node['PATRONI_RESTAPI_CONNECT_ADDRESS']}/cluster", timeout=5) as answer:
            read: bytes = answer.read()
            return read

    return any(member["role"] == "sync_standby" for member in json.loads(await asyncio.to_thread(ask))["members"])


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where Patroni and PostgreSQL work, who are not root: the directories of tests are root's alone."""
    with TemporaryDirectory(prefix="patroni-") as made:
        os.chown(made, NOBODY, NOBODY)
        yield Path(made)


async def test_patroni_fails_over_under_load(directory: Path, tmp_path: Path) -> None:
    configuration = directory / "patroni.yml"
    shipped = (SHIPPED / "patroni.yml").read_text()
    for of_debian, here in (
        ("/etc/patroni/databases.sh", f"/bin/sh {SHIPPED / 'databases.sh'}"),
        # Debian's PostgreSQL has a directory for its sockets; the one of the wheel has none.
        ("\npostgresql:\n", f"\npostgresql:\n  parameters:\n    unix_socket_directories: {directory}\n"),
    ):
        assert shipped.count(of_debian) == 1
        shipped = shipped.replace(of_debian, here)
    configuration.write_text(shipped)
    etcd, peers = ports.free(2)
    both = nodes(directory, etcd)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            program(
                (
                    *("etcd", "--data-dir", str(tmp_path / "etcd"), "--enable-v2=false"),
                    *("--listen-client-urls", f"http://127.0.0.1:{etcd}"),
                    *("--advertise-client-urls", f"http://127.0.0.1:{etcd}"),
                    *("--listen-peer-urls", f"http://127.0.0.1:{peers}"),
                    *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peers}"),
                    *("--initial-cluster", f"default=http://127.0.0.1:{peers}"),
                ),
                {},
                tmp_path / "etcd.log",
            )
        )
        as_nobody = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        for number, node in enumerate(both, 1):
            log = tmp_path / f"patroni-{number}.log"
            await stack.enter_async_context(program(("patroni", str(configuration)), node, log, *as_nobody))
        async with asyncio.timeout(90):
            while sorted(await roles("inventory", both)) != ["primary", "standby"]:
                await asyncio.sleep(0.5)
            while not await has_synchronous_standby(both[0]):
                await asyncio.sleep(0.5)
        suite = await stack.enter_async_context(_services(both, tmp_path))
        callers = [Caller(suite, (await suite.player())[0]) for _ in range(CALLERS)]
        finished = asyncio.Event()

        async def goes_on(number: int) -> None:
            while not finished.is_set():
                await callers[number].turn(callers[(number + 1) % CALLERS])

        load = [asyncio.create_task(goes_on(number)) for number in range(CALLERS)]
        await asyncio.sleep(2)
        before = await roles("postgres", both)
        primary = both[before.index("primary")]
        server = int((Path(primary["PATRONI_POSTGRESQL_DATA_DIR"]) / "postmaster.pid").read_text().splitlines()[0])
        os.kill(server, signal.SIGKILL)
        killed = time.monotonic()
        async with asyncio.timeout(RESUMES_WITHIN_S):
            while not all(caller.answered and caller.answered[-1][0] > killed + 0.5 for caller in callers):
                assert not any(task.done() for task in load)
                await asyncio.sleep(0.05)
        print(f"everybody writes again {time.monotonic() - killed:.1f} s after the kill")
        await asyncio.sleep(1)
        finished.set()
        await asyncio.gather(*load)
        for caller in callers:
            await caller.check()
        async with asyncio.timeout(60):
            # The killed one comes back as the standby.
            while await roles("postgres", both) != [
                {"primary": "standby", "standby": "primary"}[role] for role in before
            ]:
                await asyncio.sleep(0.5)


@asynccontextmanager
async def _services(both: list[dict[str, str]], directory: Path) -> AsyncIterator[Services]:
    hosts = ",".join(node["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] for node in both)
    async with embedded.stores(directory / "stores") as stores:

        def environment(name: str) -> dict[str, str]:
            url = f"postgresql://savepoint:secret@{hosts}/{name}"
            return {"REPLICATION_MODE": "cluster", "DATABASE_URL": url, "REDIS_URL": stores.cache_url}

        async with services_with(environment, directory) as started:
            yield started
