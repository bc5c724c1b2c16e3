"""What the conformance suite does not show of the dialect for CockroachDB, on a PostgreSQL that has its tables."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.stores import Stores
from services.inventory.items.sql_store import SqlItemStore
from services.inventory.items.types import Grant, ItemKey
from services.inventory.known_players.known_players import KnownPlayers
from shared.stores import postgres
from shared.stores.errors import StoreUnfit
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import COCKROACHDB, POSTGRESQL
from shared.stores.postgres.migrations import migrate
from shared.stores.requests.records import RequestRecords
from shared.telemetry.store import StoreTelemetry
from tests.support import databases
from tests.support.strict import key

INVENTORY = Path(__file__).parents[2] / "services" / "inventory"


@pytest.fixture
async def url(stores: Stores) -> str:
    """A database with the dialect's tables of inventory."""
    made = await databases.create(stores, f"dialect_{uuid.uuid4().hex[:8]}")
    await migrate(made, INVENTORY, 10, dialect=COCKROACHDB)
    return made


@pytest.fixture
async def database(url: str, store_telemetry: StoreTelemetry) -> AsyncIterator[Postgres]:
    async with postgres.connect(url, 5, 10, store_telemetry, service=INVENTORY, dialect=COCKROACHDB) as connected:
        yield connected


@pytest.fixture
async def items(database: Postgres) -> AsyncIterator[SqlItemStore]:
    async def existing(player_ids: object) -> set[uuid.UUID]:
        return set(player_ids)  # type: ignore[call-overload,no-any-return]

    requests, known = RequestRecords(database), KnownPlayers(database, existing)
    store = SqlItemStore(database, requests, known)
    yield store
    await store.close()
    await known.close()
    await requests.close()


async def test_connections_are_serializable_and_wait_half_a_second_for_a_lock(database: Postgres) -> None:
    query = postgres.queries.Query(
        *("settings", "select", "none"),
        "SELECT current_setting('transaction_isolation'), current_setting('lock_timeout')",
    )
    assert await database.fetch_rows(query, {}) == [("serializable", "500ms")]


async def test_neither_database_is_taken_for_the_other(
    url: str, stores: Stores, store_telemetry: StoreTelemetry
) -> None:
    with pytest.raises(StoreUnfit, match=r"lacks 0001, .*0005 of 5 migrations"):
        async with postgres.connect(url, 5, 1, store_telemetry, service=INVENTORY, dialect=POSTGRESQL):
            pass
    other = await databases.create(stores, f"dialect_{uuid.uuid4().hex[:8]}")
    await migrate(other, INVENTORY, 10)
    with pytest.raises(StoreUnfit, match="lacks 1001 of 1 migrations"):
        async with postgres.connect(other, 5, 1, store_telemetry, service=INVENTORY, dialect=COCKROACHDB):
            pass


async def test_old_request_records_are_forgotten_in_portions_and_new_ones_stay(database: Postgres, url: str) -> None:
    requests = RequestRecords(database, kept_days=7)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for days, count in ((6, 3), (9, 2 * COCKROACHDB.forgotten_at_once + 5)):
            await connection.execute(
                "INSERT INTO requests (request_id, created_at, version, method, fingerprint, answer)"
                " SELECT gen_random_uuid(), now() - make_interval(days => %s), 1, 'test', '', '{}'"
                " FROM generate_series(1, %s)",
                (days, count),
            )
        assert await requests.make_partitions() == 0
        await requests.prepare()
        await requests.forget_old()
        assert await (await connection.execute("SELECT count(*) FROM requests")).fetchone() == (3,)
    await requests.close()


async def test_a_version_goes_up_even_where_the_clock_is_behind_it(items: SqlItemStore, url: str) -> None:
    item = ItemKey(uuid.uuid4(), "ore", "iron")
    first = await items.grant_item(Grant(**item.params(), quantity=5, metadata=None), key())
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        # As another node's clock would have it that is an hour ahead.
        await connection.execute("UPDATE inventory SET version = version + 3600000000")
    changed = [
        await items.grant_item(Grant(**item.params(), quantity=1, metadata=None), key()),
        (await items.batch_grant_items([Grant(**item.params(), quantity=1, metadata=None)], key()))[0],
        await items.update_item_metadata(item, '{"from": "the north"}', None),
        await items.consume_item(item, 1, key()),
    ]
    ahead = first.version + 3_600_000_000
    assert [each.version for each in changed] == [ahead + 1, ahead + 2, ahead + 3, ahead + 4]
    # The player cache compares versions as doubles.
    assert ahead < 2**53


async def test_what_is_used_up_is_gone_when_the_call_is_answered(items: SqlItemStore, url: str) -> None:
    item = ItemKey(uuid.uuid4(), "ore", "iron")
    await items.grant_item(Grant(**item.params(), quantity=2, metadata='{"from": "the north"}'), key())
    assert (await items.consume_item(item, 2, key())).quantity == 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        assert await (await connection.execute("SELECT count(*) FROM inventory")).fetchone() == (0,)
    anew = await items.grant_item(Grant(**item.params(), quantity=1, metadata=None), key())
    assert (anew.quantity, anew.metadata) == (1, "{}")
