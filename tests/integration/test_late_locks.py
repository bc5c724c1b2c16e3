"""Statements that have waited for a lock until their call's deadline was over: they do nothing, though nobody has
cancelled them."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.inventory.items import sql_store
from services.inventory.items.sql_store import SqlItemStore
from services.inventory.items.types import Grant, ItemKey
from services.inventory.known_players.known_players import KnownPlayers
from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from services.profile.players.sql_store import SqlPlayerStore
from services.profile.players.types import PlayerChange, Progress
from services.profile.wallets.sql_store import SqlWalletStore
from shared.contract.errors import DeadlineReached
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import Metrics
from shared.work import deadline
from tests.conftest import Players
from tests.support import databases
from tests.support.batched import AdjustCoins, GrantItem, held
from tests.support.service import Service
from tests.support.strict import key, strict

QUERIES = sql_store.QUERIES.of(POSTGRESQL)

TIME_S = 0.25
# The lock is let go after the deadline, and before the statement gives up by itself.
HELD_S = 0.4


async def too_late(change: Callable[[], Awaitable[Any]], url: str, lock: str, table: str, ids: str) -> None:
    """The change waits for `lock` beyond its deadline, and leaves the rows of `ids` as they were."""
    rows = f"SELECT row_to_json(r)::text FROM {table} r WHERE player_id IN ({ids}) ORDER BY player_id"
    before = await databases.rows(url, rows)

    async def call() -> None:
        deadline.start(TIME_S)
        with pytest.raises(DeadlineReached):
            await change()

    async with held(url, lock):
        waiting = asyncio.create_task(call())
        await asyncio.sleep(HELD_S)
    await waiting
    # The statement has its lock now.
    await asyncio.sleep(0.1)
    assert await databases.rows(url, rows) == before


async def test_players(profile: Service, cache_server: Valkey, metrics: Metrics) -> None:
    url = profile.environment["DATABASE_URL"]
    made = AdjustCoins(url, "")
    await made.seed()
    one, other = map(uuid.UUID, made.player_ids[:2])
    cache = PlayerCache(cache_server, 3600, metrics.cache("late"), encoded)
    async with strict(url) as (database, requests):
        store, wallets = SqlPlayerStore(database, requests, cache), SqlWalletStore(database, requests, cache)
        version = (await store.record_login(one)).version
        for change in (
            lambda: wallets.adjust_coins(one, 5, "reason", "", key()),
            lambda: wallets.transfer_coins(one, other, 5, "reason", "", key()),
            lambda: wallets.transfer_coins(other, one, 5, "reason", "", key()),
            lambda: store.batch_apply_progress([Progress(other, 1, 1), Progress(one, 1, 1)], key()),
            lambda: store.update_player(PlayerChange(one, None, None, None, None, 1234, None, None)),
            lambda: store.update_player(PlayerChange(one, version, None, None, None, 1234, None, None)),
        ):
            await too_late(change, url, made.lock(0), "players", f"'{one}', '{other}'")
        await wallets.close()
        await store.close()


async def test_items(inventory: Service, profile: Service) -> None:
    url = inventory.environment["DATABASE_URL"]
    made = GrantItem(profile.environment["DATABASE_URL"], url)
    await made.seed()
    one = uuid.UUID(made.player_ids[0])

    async def existing(player_ids: Any) -> set[uuid.UUID]:
        return set(player_ids)

    async with strict(url) as (database, requests):
        known = KnownPlayers(database, existing)
        await known.require([one])
        items = SqlItemStore(database, requests, known)
        for change in (
            lambda: items.grant_item(Grant(one, "ore", "iron", 3, None), key()),
            lambda: items.consume_item(ItemKey(one, "ore", "iron"), 3, key()),
            lambda: items.consume_item(ItemKey(one, "ore", "iron"), 5, key()),
        ):
            await too_late(change, url, made.lock(0), "inventory", f"'{one}'")
        await items.close()
        await known.close()


async def test_an_item_that_another_statement_was_just_making(inventory: Service, players: Players) -> None:
    [player_id] = await players(1)
    asked = {"player_id": player_id, "item_type": "ore", "item_id": "iron", "quantity": 5, "metadata": None}
    asked |= {"number": 0, "request_id": str(uuid.uuid4()), "fingerprint": "00", "earlier_s": 0}
    params: dict[str, object] = {
        "asked": json.dumps([asked]),
        "request_ids": f"{{{asked['request_id']}}}",
        "rows": "{}",
    }
    params |= {"method": "test", "answer_version": 1, "not_after": datetime.now(UTC) + timedelta(seconds=TIME_S)}
    url = inventory.environment["DATABASE_URL"]
    query = QUERIES["grant_item"].patient()
    async with (
        await psycopg.AsyncConnection.connect(url) as holder,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        await holder.execute(
            "INSERT INTO inventory (player_id, item_type, item_id, quantity) VALUES (%s, 'ore', 'iron', 1)",
            (player_id,),
        )
        granted = asyncio.create_task(connection.execute(query.sql.encode(), params))
        await asyncio.sleep(HELD_S)
        await holder.commit()
        await granted
        assert await databases.rows(url, f"SELECT quantity FROM inventory WHERE player_id = '{player_id}'") == [(1,)]
    recorded = f"SELECT FROM requests WHERE request_id = '{asked['request_id']}'"
    assert await databases.rows(url, recorded) == []
