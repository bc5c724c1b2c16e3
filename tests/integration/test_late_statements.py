"""Statements that come late: after the caller has had another answer, or after the call's deadline."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import grpc
import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from services.inventory.items.sql_store import SqlItemStore
from services.inventory.items.types import Grant, ItemKey
from services.inventory.known_players.known_players import KnownPlayers
from services.inventory.matches.sql_store import SqlMatchStore
from services.inventory.matches.types import Match, MatchPlayer, MatchResult
from services.profile.messages import encoded
from services.profile.player_cache.cache import PlayerCache
from services.profile.players.sql_store import SqlPlayerStore
from services.profile.players.types import NewPlayer, PlayerChange, Progress
from services.profile.wallets.sql_store import SqlWalletStore
from shared.contract.errors import DeadlineReached, PreconditionFailed
from shared.stores.valkey import Valkey
from shared.telemetry.metrics import Metrics
from shared.work import deadline
from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service
from tests.support.strict import key, strict

T = TypeVar("T")


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Twin:
    """A request that is frozen while it waits for a row, with what happens to that row meanwhile."""

    service: Service
    lock: str
    # Of a channel, the RPC.
    call: Callable[[aio.Channel], Callable[[Any], Awaitable[Any]]]
    request: Message
    # Makes the request impossible; then its repeat is refused; then possible again.
    spend: Callable[[], Awaitable[Any]]
    restore: Callable[[], Awaitable[Any]]
    read: Callable[[], Awaitable[Any]]


async def consume(service: Service, player_id: str, _: str) -> Twin:
    stub = InventoryServiceStub(service.channel)
    key: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron"}

    async def grant() -> None:
        await stub.GrantItem(
            inventory_pb2.GrantItemRequest(request_id=new_id(), grant=inventory_pb2.ItemGrant(quantity=5, **key))
        )

    await grant()
    return Twin(
        service,
        f"SELECT FROM inventory WHERE player_id = '{player_id}' FOR UPDATE",
        lambda channel: InventoryServiceStub(channel).ConsumeItem,
        inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=5, **key),
        lambda: stub.ConsumeItem(inventory_pb2.ConsumeItemRequest(request_id=new_id(), quantity=1, **key)),
        grant,
        lambda: stub.GetItem(inventory_pb2.GetItemRequest(**key)),
    )


async def adjust(service: Service, player_id: str, _: str) -> Twin:
    request = wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=-5, reason="test")
    return await of_coins(service, player_id, lambda channel: WalletServiceStub(channel).AdjustCoins, request)


async def transfer(service: Service, player_id: str, other_id: str) -> Twin:
    request = wallet_pb2.TransferCoinsRequest(
        request_id=new_id(), sender_player_id=player_id, receiver_player_id=other_id, amount=5, reason="test"
    )
    return await of_coins(service, player_id, lambda channel: WalletServiceStub(channel).TransferCoins, request)


async def of_coins(
    service: Service, player_id: str, call: Callable[[aio.Channel], Callable[[Any], Awaitable[Any]]], request: Message
) -> Twin:
    stub = WalletServiceStub(service.channel)

    async def move(delta: int) -> None:
        await stub.AdjustCoins(
            wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=player_id, delta=delta, reason="test")
        )

    await move(5)
    return Twin(
        service,
        f"SELECT FROM players WHERE player_id = '{player_id}' FOR UPDATE",
        call,
        request,
        lambda: move(-1),
        lambda: move(5),
        lambda: stub.GetWallet(wallet_pb2.GetWalletRequest(player_id=player_id)),
    )


async def progress(service: Service, player_id: str, _: str) -> Twin:
    stub = ProfileServiceStub(service.channel)

    async def set_xp(xp: int) -> None:
        wish = profile_pb2.Player(player_id=player_id, xp=xp)
        await stub.UpdatePlayer(profile_pb2.UpdatePlayerRequest(player=wish, update_mask=FieldMask(paths=["xp"])))

    change = profile_pb2.ProgressChange(player_id=player_id, xp_delta=5)
    return Twin(
        service,
        f"SELECT FROM players WHERE player_id = '{player_id}' FOR UPDATE",
        lambda channel: ProfileServiceStub(channel).BatchApplyProgress,
        profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=[change]),
        lambda: set_xp(2**63 - 1),
        lambda: set_xp(0),
        lambda: stub.GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id)),
    )


@pytest.mark.parametrize("make", [consume, adjust, transfer, progress])
async def test_what_was_refused_does_not_take_effect_when_its_late_twin_thaws(
    profile: Service,
    inventory: Service,
    players: Players,
    tmp_path: Path,
    make: Callable[[Service, str, str], Awaitable[Twin]],
) -> None:
    twin = await make(inventory if make is consume else profile, *(await players(2)))
    database = twin.service.environment["DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as watch:
        async with frozen(twin, database, watch, tmp_path):
            await twin.spend()
            repeat = twin.call(twin.service.channel)
            refused = await failure(repeat(twin.request))
            assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
            await twin.restore()
            before = await twin.read()
        assert await twin.read() == before
        assert await failure(repeat(twin.request)) == refused


@asynccontextmanager
async def frozen(
    twin: Twin, database: str, watch: psycopg.AsyncConnection[Any], directory: Path
) -> AsyncIterator[None]:
    """The request is under way in a replica of its own, its statement frozen in the backend, with the statement's
    snapshot taken, and the replica dead, so that nobody cancels it. Thawed on the way out, and awaited."""
    replica = Service(twin.service.name, twin.service.environment, directory / "replica.log")
    await replica.start()
    try:
        async with await psycopg.AsyncConnection.connect(database) as holder:
            await holder.execute(twin.lock.encode())
            call = asyncio.ensure_future(twin.call(replica.channel)(twin.request))
            pid = await waiting_for(holder.info.backend_pid, watch)
            os.kill(pid, signal.SIGSTOP)
    finally:
        await replica.stop(signal.SIGKILL)
        await replica.channel.close()
    try:
        with pytest.raises((aio.AioRpcError, asyncio.CancelledError)):
            await call
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(10):
            while await answer(watch, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid):
                await asyncio.sleep(0.02)


async def waiting_for(holder_pid: int, watch: psycopg.AsyncConnection[Any]) -> int:
    """The backend that waits for what another one holds."""
    blocked = (
        "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) AND application_name = 'savepoint'"
    )
    async with asyncio.timeout(10):
        while (pid := await answer(watch, blocked, holder_pid)) is None:
            await asyncio.sleep(0.02)
    return int(pid)


async def answer(connection: psycopg.AsyncConnection[Any], sql: str, value: object) -> Any:
    row = await (await connection.execute(sql.encode(), (value,))).fetchone()
    return row[0] if row else None


async def late(work: Callable[[], Awaitable[Any]]) -> None:
    """Does the work when its call's deadline is over."""

    async def do() -> None:
        deadline.start(0)
        with pytest.raises(DeadlineReached):
            await work()

    await asyncio.create_task(do())


async def only_in_time(work: Callable[[], Awaitable[T]]) -> T:
    """What is late does nothing, and leaves no record that would keep the same request from being done."""
    await late(work)
    return await work()


async def test_a_player_does_not_change_after_the_deadline(
    profile_environment: dict[str, str], cache_server: Valkey, metrics: Metrics, players: Players
) -> None:
    one, two = (uuid.UUID(player_id) for player_id in await players(2))
    cache = PlayerCache(cache_server, 3600, metrics.cache("late"), encoded)
    async with strict(profile_environment["DATABASE_URL"]) as (database, requests):
        store, wallets = SqlPlayerStore(database, requests, cache), SqlWalletStore(database, requests, cache)
        for under in (None, key()):
            name = uuid.uuid4().hex
            await only_in_time(
                partial(store.create_player, NewPlayer(uuid.uuid4(), name, f"{name}@example.com", "{}"), under)
            )
        change = PlayerChange(one, None, None, None, None, 1234, None, None)
        assert (await only_in_time(partial(store.update_player, change))).mmr == 1234
        await only_in_time(partial(store.record_login, one))
        [player] = await only_in_time(partial(store.batch_apply_progress, [Progress(one, 1, 1)], key()))
        assert (player.mmr, player.xp) == (1235, 1)
        await only_in_time(partial(wallets.adjust_coins, one, 9, "reason", "", key()))
        moved = await only_in_time(partial(wallets.transfer_coins, one, two, 5, "reason", "", key()))
        assert (moved.sender.coins, moved.receiver.coins) == (4, 5)
        # What would be refused is not refused either: a later try may find the coins.
        spend = partial(wallets.adjust_coins, two, -6, "reason", "", key())
        await late(spend)
        await wallets.adjust_coins(two, 1, "reason", "", key())
        assert (await spend()).wallet.coins == 0
        await only_in_time(partial(store.delete_player, two, None))
        await store.close()


async def test_items_and_matches_do_not_change_after_the_deadline(inventory: Service, players: Players) -> None:
    [player_id] = map(uuid.UUID, await players(1))

    async def existing(player_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return set(player_ids)

    async with strict(inventory.environment["DATABASE_URL"]) as (database, requests):
        known = KnownPlayers(database, existing)
        await known.require([player_id])
        items, matches = SqlItemStore(database, requests, known), SqlMatchStore(database, requests, known)
        grant = Grant(player_id, "ore", "iron", 5, None)
        await only_in_time(partial(items.grant_item, grant, key()))
        assert (await only_in_time(partial(items.batch_grant_items, [grant], key())))[0].quantity == 10
        item = ItemKey(player_id, "ore", "iron")
        assert (await only_in_time(partial(items.consume_item, item, 4, key()))).quantity == 6
        await only_in_time(partial(items.update_item_metadata, item, '{"a":1}', None))
        spend = partial(items.consume_item, item, 7, key())
        await late(spend)
        await items.grant_item(grant, key())
        assert (await spend()).quantity == 4

        def started() -> Match:
            return Match(uuid.uuid4(), "late", datetime.now(UTC), None, None, [MatchPlayer(player_id, 0)], "{}")

        match = started()
        await only_in_time(partial(matches.start_match, match, key()))
        finish = partial(matches.finish_match, match.match_id, MatchResult(None, None, []), key())
        assert (await only_in_time(finish)).ended_at
        # A refusal that was decided here, not by the statement.
        again = partial(matches.finish_match, match.match_id, MatchResult(None, None, []), key())
        await late(again)
        with pytest.raises(PreconditionFailed):
            await again()
        await matches.close()
        await known.close()


async def late_and_in_time(change: Callable[[uuid.UUID], Awaitable[T]], one: uuid.UUID, other: uuid.UUID) -> None:
    """Asks for the same change of two in one statement, of which the first comes too late; then once more, in time."""
    await asyncio.gather(late(partial(change, one)), change(other))
    await change(one)


async def test_of_two_in_one_statement_on_players_the_late_one_does_nothing(
    profile_environment: dict[str, str], cache_server: Valkey, metrics: Metrics, players: Players
) -> None:
    one, two, payee, other_payee = (uuid.UUID(player_id) for player_id in await players(4))
    cache = PlayerCache(cache_server, 3600, metrics.cache("late"), encoded)
    async with strict(profile_environment["DATABASE_URL"]) as (database, requests):
        store, wallets = SqlPlayerStore(database, requests, cache), SqlWalletStore(database, requests, cache)
        payees = {one: payee, two: other_payee}

        def create(under: bool, name: uuid.UUID) -> Awaitable[Any]:
            new = NewPlayer(uuid.uuid4(), name.hex, f"{name.hex}@example.com", "{}")
            return store.create_player(new, key() if under else None)

        def move(player_id: uuid.UUID) -> Awaitable[Any]:
            return wallets.transfer_coins(player_id, payees[player_id], 2, "reason", "", key())

        for under in (False, True):
            await late_and_in_time(partial(create, under), uuid.uuid4(), uuid.uuid4())
        await late_and_in_time(lambda i: wallets.adjust_coins(i, 3, "reason", "", key()), one, two)
        await late_and_in_time(move, one, two)
        await late_and_in_time(lambda i: store.batch_apply_progress([Progress(i, 1, 1)], key()), one, two)
        seen = {i: await store.record_login(i) for i in (one, two)}
        # Were the late one done, its etag would not fit any more.
        for etag in (True, False):
            await late_and_in_time(
                lambda i, etag=etag: store.update_player(  # type: ignore[misc] # mypy knows no lambda with defaults
                    PlayerChange(i, seen[i].version if etag else None, None, None, None, 1234, None, None)
                ),
                one,
                two,
            )
        for player_id in (one, two):
            left = await store.record_login(player_id)
            assert (left.coins, left.xp, left.mmr) == (1, 1, 1234)
        await wallets.close()
        await store.close()


async def test_of_two_in_one_statement_on_items_and_matches_the_late_one_does_nothing(
    inventory: Service, players: Players
) -> None:
    one, two = (uuid.UUID(player_id) for player_id in await players(2))

    async def existing(player_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return set(player_ids)

    async with strict(inventory.environment["DATABASE_URL"]) as (database, requests):
        known = KnownPlayers(database, existing)
        await known.require([one, two])
        items, matches = SqlItemStore(database, requests, known), SqlMatchStore(database, requests, known)
        # A new item, and one that is there.
        for _ in range(2):
            await late_and_in_time(lambda i: items.grant_item(Grant(i, "ore", "iron", 5, None), key()), one, two)
        await late_and_in_time(lambda i: items.consume_item(ItemKey(i, "ore", "iron"), 3, key()), one, two)
        for player_id in (one, two):
            assert (await items.get_item(ItemKey(player_id, "ore", "iron"))).quantity == 7

        def start(match_id: uuid.UUID) -> Awaitable[Any]:
            match = Match(match_id, "late", datetime.now(UTC), None, None, [MatchPlayer(one, 0)], "{}")
            return matches.start_match(match, key())

        await late_and_in_time(start, uuid.uuid4(), uuid.uuid4())
        await items.close()
        await matches.close()
        await known.close()
