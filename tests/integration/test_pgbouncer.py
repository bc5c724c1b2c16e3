"""A service behind PgBouncer in transaction mode knows it, or does not start, and leaves nothing behind on connections
that others use too. That it does all of its work there is the conformance suite's (`--on PgBouncer`)."""

import asyncio
import configparser
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local.embedded import Silent
from deploy.local.layout import Layout
from deploy.local.servers.postgres import Postgres
from deploy.local.stack import Stack
from deploy.local.stores import Stores
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.session import connect_query
from tests.support import pgbouncer
from tests.support.pgbouncer import SAMPLE, PgBouncer
from tests.support.service import Service, migrate, running, starts_with

pytestmark = pytest.mark.skipif(pgbouncer.program() is None, reason="PgBouncer is not installed")

# What a connection of another client shows of those before it.
LEFT = """
SELECT current_setting('lock_timeout'), current_setting('application_name'),
       (SELECT count(*) FROM pg_prepared_statements)
"""


@asynccontextmanager
async def bouncer(
    postgres: Postgres, directory: Path, *, sets_connections: bool = True, **settings: str
) -> AsyncIterator[PgBouncer]:
    """One before a PostgreSQL that runs."""
    layout = Layout.of(directory)
    made = PgBouncer(layout, postgres, sets_connections=sets_connections, **settings)
    # It is up.
    made.needs = ()
    stack = Stack(layout, [made], {}, Silent())
    await stack.claim({})
    await stack.start()
    try:
        yield made
    finally:
        await stack.stop()


def environment(stores: Stores, behind: PgBouncer, tmp_path: Path, **settings: str) -> dict[str, str]:
    given = {"DATABASE_URL": behind.url("profile"), "REDIS_URL": stores.cache_url, "STORE_START_TIMEOUT_S": "2"}
    return Service("profile", {**given, **settings}, tmp_path / "log").environment


async def refusal(environment: dict[str, str]) -> str:
    code, message = await starts_with({**environment, "LOG_LEVEL": "ERROR"}, "serve")
    assert code == 1
    [line] = message.splitlines()
    return line


async def test_a_service_that_was_not_told_of_a_pooler_does_not_start(
    stores: Stores, profile: Service, tmp_path: Path
) -> None:
    async with bouncer(stores.postgres, tmp_path / "strict") as strict:
        assert "set DATABASE_POOLER=pgbouncer" in await refusal(environment(stores, strict, tmp_path))
    # One that ignores what it is asked for does not refuse it; then the connection's process gives it away.
    ignored = "extra_float_digits,options"
    async with bouncer(stores.postgres, tmp_path / "lax", ignore_startup_parameters=ignored) as lax:
        assert "set DATABASE_POOLER=pgbouncer" in await refusal(environment(stores, lax, tmp_path))


async def test_a_pooler_that_does_not_set_its_connections_is_refused_with_the_line_that_mends_it(
    stores: Stores, profile: Service, tmp_path: Path
) -> None:
    async with bouncer(stores.postgres, tmp_path / "pooler", sets_connections=False) as bare:
        line = await refusal(environment(stores, bare, tmp_path, DATABASE_POOLER="pgbouncer"))
    assert "statement_timeout is 0" in line
    assert connect_query(POSTGRESQL) in line


async def test_nothing_is_left_behind_on_a_connection_that_others_use_too(
    stores: Stores, profile: Service, tmp_path: Path
) -> None:
    async with bouncer(stores.postgres, tmp_path / "pooler") as pooler:
        given = environment(stores, pooler, tmp_path, DATABASE_POOLER="pgbouncer")
        await migrate("profile", given)
        async with running("profile", given, tmp_path) as service:
            players, wallets = ProfileServiceStub(service.channel), WalletServiceStub(service.channel)

            async def work() -> None:
                name = f"p{uuid.uuid4().hex[:20]}"
                request = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
                player_id = (await players.CreatePlayer(request)).player.player_id
                for _ in range(12):
                    await wallets.AdjustCoins(
                        wallet_pb2.AdjustCoinsRequest(
                            request_id=str(uuid.uuid4()), player_id=player_id, delta=1, reason="test"
                        )
                    )

            await asyncio.gather(*(work() for _ in range(16)))
            found = set()
            for _ in range(30):
                async with await psycopg.AsyncConnection.connect(
                    pooler.url("profile"), autocommit=True, prepare_threshold=None, application_name="other"
                ) as other:
                    found.add(await (await other.execute(LEFT)).fetchone())
    assert found == {("0", "other", 0)}


def test_the_sample_sets_what_the_services_need() -> None:
    sample = configparser.ConfigParser(interpolation=None)
    sample.read(SAMPLE)
    assert set(sample["databases"]) == {"profile", "inventory", "gamelog"}
    assert all(way.endswith(connect_query(POSTGRESQL)) for way in sample["databases"].values())
    assert sample["pgbouncer"]["pool_mode"] == "transaction"
