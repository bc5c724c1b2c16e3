"""REPLICATION_MODE=replica: reads go to streaming replicas, and whoever brings the token of a write sees that write."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2 as inventory
from savepoint.profile.v1 import profile_pb2 as profile
from savepoint.profile.v1 import wallet_pb2 as wallet
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from shared.stores import postgres
from shared.stores.postgres import Postgres
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.pool import Connections
from shared.stores.postgres.queries import Query
from shared.stores.postgres.replica import Replica
from shared.stores.postgres.replicas import Replicas
from shared.stores.postgres.session import Session
from shared.stores.replication import Replication
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.background import Background
from tests.integration.test_pgbouncer import bouncer
from tests.integration.test_telemetry import value
from tests.support import pgbouncer
from tests.support.errors import failure
from tests.support.frozen import frozen, processes
from tests.support.replicated import (
    BOUND_S,
    Servers,
    Services,
    adjusts,
    bringing,
    found,
    gets,
    grants,
    in_parallel,
    served,
    servers,
    services,
    told,
    turns,
)
from tests.support.service import running

CALLERS = 64
DELAY = "2s"
REPLICAS = ("postgresql_replica_1", "postgresql_replica_2")


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """A primary with two replicas."""
    async with servers(tmp_path_factory.mktemp("pair"), replicas=2, replication_mode="replica") as running:
        yield running


@pytest.fixture(scope="module")
async def suite(pair: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with services(pair, tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.fixture
async def lagging(pair: Servers, suite: Services) -> AsyncIterator[Services]:
    """Both replicas are two seconds behind."""
    await pair.delay(DELAY)
    yield suite
    await pair.delay("0")
    await caught_up(pair)


async def caught_up(pair: Servers) -> None:
    end = await pair.primary.ask("SELECT pg_current_wal_flush_lsn()")
    async with asyncio.timeout(20):
        for replica in pair.replicas:
            while await replica.ask(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") != "t":
                await asyncio.sleep(0.05)


async def taking_reads(suite: Services, wanted: int) -> None:
    """Waits until the profile service reads from so many replicas."""
    _, name = await suite.player()
    async with asyncio.timeout(20):
        while True:
            before = await served(suite.profile)
            for _ in range(4 * wanted):
                # A new player may not be there yet.
                await found(suite.players.LookupPlayer(profile.LookupPlayerRequest(username=name), timeout=BOUND_S))
            after = await served(suite.profile)
            if sum(after.get(one, 0) > before.get(one, 0) for one in REPLICAS) == wanted:
                return
            await asyncio.sleep(0.1)


async def pairs(suite: Services, count: int, *, with_token: bool) -> int:
    """Writes and reads it back, by turns of items and of players. Returns how many reads were stale."""
    made = [await suite.player() for _ in range(CALLERS)]
    stale = 0
    numbers = asyncio.Queue[int]()
    for number in range(CALLERS):
        numbers.put_nowait(number)

    async def one(number: int) -> None:
        nonlocal stale
        # Nobody else has this player meanwhile.
        mine = await numbers.get()
        player_id, name = made[mine]
        if number % 2:
            answer, token = await told(suite.items.GrantItem(grants(player_id), timeout=BOUND_S))
            metadata = bringing(token if with_token else None)
            item = await found(suite.items.GetItem(gets(player_id), timeout=BOUND_S, metadata=metadata))
            fresh = item is not None and item.item.quantity == answer.item.quantity
        else:
            answer, token = await told(suite.players.UpdatePlayer(turns(player_id, number), timeout=BOUND_S))
            metadata = bringing(token if with_token else None)
            asked = profile.LookupPlayerRequest(username=name)
            looked = await found(suite.players.LookupPlayer(asked, timeout=BOUND_S, metadata=metadata))
            fresh = looked is not None and looked.player.etag == answer.player.etag
        stale += not fresh
        numbers.put_nowait(mine)

    await in_parallel(CALLERS, count, one)
    return stale


async def test_whoever_brings_the_token_sees_the_write_though_the_replicas_lag(lagging: Services) -> None:
    assert await pairs(lagging, 500, with_token=True) == 0


@pytest.mark.thorough
async def test_ten_thousand_pairs_of_a_write_and_a_read_with_its_token(lagging: Services) -> None:
    assert await pairs(lagging, 10_000, with_token=True) == 0


async def test_without_the_token_reads_may_be_stale(lagging: Services) -> None:
    assert await pairs(lagging, 200, with_token=False) > 0


async def test_a_lagging_replica_is_counted(lagging: Services) -> None:
    await pairs(lagging, 100, with_token=True)
    scraped = await lagging.profile.scrape()
    assert any((value(scraped, "db_errors_total", store=one, kind="REPLICA_LAG") or 0) > 0 for one in REPLICAS)
    async with asyncio.timeout(10):
        while not (value(await lagging.profile.scrape(), "db_replica_lag_seconds", store=REPLICAS[0]) or 0) > 1:
            await lagging.wallets.AdjustCoins(adjusts((await lagging.player())[0]), timeout=BOUND_S)


async def test_replicas_that_keep_up_answer_reads_with_a_token(pair: Servers, suite: Services) -> None:
    await caught_up(pair)
    await taking_reads(suite, 2)
    before = await served(suite.inventory)
    assert await pairs(suite, 600, with_token=True) == 0
    after = await served(suite.inventory)
    by_replicas = sum(after[one] - before.get(one, 0) for one in REPLICAS)
    assert by_replicas > 150, f"of 300 reads, replicas have answered {by_replicas}"


async def test_reads_are_spread_over_the_replicas(pair: Servers, suite: Services) -> None:
    player_id, name = await suite.player()
    await suite.items.GrantItem(grants(player_id), timeout=BOUND_S)
    await caught_up(pair)
    await taking_reads(suite, 2)
    before = await served(suite.profile)
    asked = profile.LookupPlayerRequest(username=name)

    async def look(_: int) -> None:
        await suite.players.LookupPlayer(asked, timeout=BOUND_S)

    await in_parallel(8, 400, look)
    after = await served(suite.profile)
    shares = [after[one] - before[one] for one in REPLICAS]
    assert sum(shares) >= 390
    assert min(shares) > 100, shares


@pytest.mark.parametrize("token", ["", "7", "1.", "1.1.1", "1.G.1.1", "1.1.1.1.1", "2.", "lsn 0/16B3748", "0.1.1.1"])
async def test_a_token_that_is_none_is_refused(suite: Services, token: str) -> None:
    player_id, _ = await suite.player()
    asked = profile.LookupPlayerRequest(username="ada")
    metadata = (("consistency_token", token),)
    for call in (
        suite.players.LookupPlayer(asked, timeout=5, metadata=metadata),
        suite.wallets.AdjustCoins(adjusts(player_id), timeout=5, metadata=metadata),
    ):
        refused = await failure(call)
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (refused.reason, refused.field) == ("FIELD_INVALID", "consistency_token")
    assert (await suite.wallets.GetWallet(wallet.GetWalletRequest(player_id=player_id))).wallet.coins == 0


@pytest.mark.parametrize("token", ["1.primary", "2.whatever-a-later-release-writes", "1.1.1.1"])
async def test_a_token_that_no_replica_can_satisfy_leads_to_the_primary(lagging: Services, token: str) -> None:
    player_id, name = await lagging.player()
    asked = profile.LookupPlayerRequest(username=name)
    answer = await lagging.players.LookupPlayer(asked, timeout=5, metadata=bringing(token))
    assert answer.player.player_id == player_id


async def test_a_refusal_and_a_repeated_request_bring_a_token_too(lagging: Services) -> None:
    player_id, _ = await lagging.player()
    request = grants(player_id)
    _, first = await told(lagging.items.GrantItem(request, timeout=BOUND_S))
    _, again = await told(lagging.items.GrantItem(request, timeout=BOUND_S))
    assert first.split(".")[:3] == again.split(".")[:3]
    update = inventory.UpdateItemMetadataRequest(player_id=player_id, item_type="potion", item_id="red", etag="1")
    call = lagging.items.UpdateItemMetadata(update, timeout=BOUND_S)
    with pytest.raises(aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.ABORTED
    [token] = [text for key, text in await call.trailing_metadata() if key == "consistency_token"]
    # It tells of an etag that the replicas do not have yet.
    answer = await lagging.items.GetItem(gets(player_id), timeout=BOUND_S, metadata=bringing(str(token)))
    assert answer.item.quantity == 1


async def test_what_decides_a_write_is_never_stale(lagging: Services) -> None:
    player_id, _ = await lagging.player()
    asks_wallet = wallet.GetWalletRequest(player_id=player_id)
    asks_player = profile.GetPlayerRequest(player_id=player_id)
    for turn in range(1, 30):
        await lagging.wallets.AdjustCoins(adjusts(player_id), timeout=BOUND_S)
        assert (await lagging.wallets.GetWallet(asks_wallet, timeout=BOUND_S)).wallet.coins == turn
        player = (await lagging.players.GetPlayer(asks_player, timeout=BOUND_S)).player
        assert player.coins == turn
        # The etag is the newest, or this would be refused.
        await lagging.players.UpdatePlayer(turns(player_id, turn, player.etag), timeout=BOUND_S)
        item = (await lagging.items.GrantItem(grants(player_id), timeout=BOUND_S)).item
        update = inventory.UpdateItemMetadataRequest(
            player_id=player_id, item_type="potion", item_id="red", etag=item.etag
        )
        await lagging.items.UpdateItemMetadata(update, timeout=BOUND_S)
        with pytest.raises(aio.AioRpcError) as refused:
            await lagging.items.UpdateItemMetadata(update, timeout=BOUND_S)
        assert refused.value.code() is grpc.StatusCode.ABORTED


async def test_a_cached_player_is_never_older_than_the_token(lagging: Services) -> None:
    player_id, _ = await lagging.player()
    asked = profile.GetPlayerRequest(player_id=player_id)
    for turn in range(1, 30):
        # Unlike UpdatePlayer, this does not leave the player in the cache: the next reader loads it.
        _, token = await told(lagging.wallets.AdjustCoins(adjusts(player_id), timeout=BOUND_S))
        read = await asyncio.gather(
            *(lagging.players.GetPlayer(asked, timeout=BOUND_S, metadata=bringing(token)) for _ in range(4))
        )
        assert {each.player.coins for each in read} == {turn}


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_no_call_fails_when_the_replicas_do(pair: Servers, suite: Services, how: str) -> None:
    await caught_up(pair)
    await taking_reads(suite, 2)
    made = [await suite.player() for _ in range(CALLERS)]
    await caught_up(pair)
    finished = asyncio.Event()
    done = 0
    slowest = 0.0

    async def goes_on(number: int) -> None:
        nonlocal done, slowest
        loop = asyncio.get_running_loop()
        player_id, name = made[number]
        quantity = 0
        while not finished.is_set():
            begun = loop.time()
            answer, token = await told(suite.items.GrantItem(grants(player_id), timeout=5))
            item = await suite.items.GetItem(gets(player_id), timeout=5, metadata=bringing(token))
            looked = await suite.players.LookupPlayer(profile.LookupPlayerRequest(username=name), timeout=5)
            quantity += 1
            assert (answer.item.quantity, item.item.quantity) == (quantity, quantity)
            assert looked.player.player_id == player_id
            done += 1
            slowest = max(slowest, loop.time() - begun)

    load = [asyncio.create_task(goes_on(number)) for number in range(CALLERS)]

    async def more() -> None:
        wanted = done + 3 * CALLERS
        async with asyncio.timeout(20):
            while done < wanted and not any(task.done() for task in load):
                await asyncio.sleep(0.02)

    await more()
    for replica in pair.replicas:
        if how == "killed":
            pair.kill(replica)
            await more()
        else:
            with frozen(processes(replica.data)):
                await asyncio.sleep(1.5)
                await more()
    await more()
    finished.set()
    await asyncio.gather(*load)
    # A replica that does not answer is waited for once, and left out then.
    assert slowest < 4.5
    await taking_reads(suite, 2)


async def test_a_service_starts_and_answers_without_its_replicas(
    pair: Servers, suite: Services, tmp_path: Path
) -> None:
    away = f"postgresql://savepoint@/profile?host={tmp_path}"
    environment = {**pair.environment("profile"), "DATABASE_REPLICA_URLS": away}
    async with running("profile", environment, tmp_path) as alone:
        stub = ProfileServiceStub(alone.channel)
        name = f"p{uuid.uuid4().hex[:20]}"
        created = profile.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        await stub.CreatePlayer(created, timeout=BOUND_S)
        answer = await stub.LookupPlayer(profile.LookupPlayerRequest(username=name), timeout=BOUND_S)
        assert answer.player.username == name


async def test_a_server_of_another_database_is_refused(
    pair: Servers, tmp_path: Path, profile_environment: dict[str, str]
) -> None:
    environment = {**pair.environment("profile"), "DATABASE_REPLICA_URLS": profile_environment["DATABASE_URL"]}
    with pytest.raises(Exception, match="is no streaming replica of DATABASE_URL's"):
        async with running("profile", environment, tmp_path):
            pass


@pytest.mark.skipif(pgbouncer.program() is None, reason="PgBouncer is not installed")
async def test_a_pooler_before_a_replica_is_refused(pair: Servers, suite: Services, tmp_path: Path) -> None:
    # It may lead to another server at each statement, so what a connection knows of its server's position is worth
    # nothing: a read with a token would be stale.
    environment = pair.environment("profile")
    ignored = "extra_float_digits,options"
    async with (
        bouncer(pair.replicas[0], tmp_path / "strict") as strict,
        bouncer(pair.replicas[0], tmp_path / "lax", ignore_startup_parameters=ignored) as lax,
    ):
        for pooler in (strict, lax):
            environment["DATABASE_REPLICA_URLS"] = pooler.url("profile")
            with pytest.raises(Exception, match="DATABASE_REPLICA_URLS leads to a connection pooler"):
                async with running("profile", environment, tmp_path):
                    pass


async def test_a_replica_url_that_cannot_be_read_is_named(pair: Servers, tmp_path: Path) -> None:
    environment = {**pair.environment("profile"), "DATABASE_REPLICA_URLS": "postgresql://ada:secret@[::1/profile"}
    with pytest.raises(Exception, match="setting DATABASE_REPLICA_URLS cannot be read") as refused:
        async with running("profile", environment, tmp_path):
            pass
    assert "secret" not in str(refused.value)


async def test_a_replica_is_no_database_for_a_service(pair: Servers, suite: Services, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": pair.replicas[0].url("profile"),
        "REDIS_URL": pair.stores.cache_url,
        "STORE_START_TIMEOUT_S": "2",
    }
    with pytest.raises(Exception, match="setting DATABASE_URL names a server that takes no writes"):
        async with running("profile", environment, tmp_path):
            pass


async def test_the_token_of_another_database_costs_no_wait(pair: Servers, suite: Services) -> None:
    await caught_up(pair)
    await taking_reads(suite, 2)
    player_id, name = await suite.player()
    asked = profile.LookupPlayerRequest(username=name)
    _, token = await told(suite.items.GrantItem(grants(player_id), timeout=BOUND_S))
    _, form, *rest = token.split(".")
    foreign = ".".join(["1", f"{int(form, 16) ^ 1:X}", *rest])
    before = await served(suite.profile)
    begun = asyncio.get_running_loop().time()
    for _ in range(20):
        await suite.players.LookupPlayer(asked, timeout=5, metadata=bringing(foreign))
    took = asyncio.get_running_loop().time() - begun
    after = await served(suite.profile)
    assert after["postgresql"] - before["postgresql"] == 20, "the primary answers them"
    # A wait for a replica is a tenth of a second each time.
    assert took < 1.5


async def test_nothing_is_read_before_the_primary_has_said_whose_replica_it_is(
    pair: Servers, suite: Services, profile_environment: dict[str, str], store_telemetry: StoreTelemetry
) -> None:
    connections = Connections(
        pair.primary.url("profile"), 5, store_telemetry.metrics, Session(POSTGRESQL, pooler=False)
    )
    primary = Postgres(connections, store_telemetry)
    stranger = Replica(profile_environment["DATABASE_URL"], 5, store_telemetry.of("postgresql_replica_9"))
    replicas = Replicas(primary, connections, [stranger], 0.1, 30)
    try:
        await connections.open(10)
        with frozen(processes(pair.primary.data)):
            await replicas.open()
            assert not stranger.usable
        await primary.ping()
        await replicas.probe()
        assert not stranger.usable
    finally:
        await replicas.close()
        await connections.close()


async def test_lists_do_not_depend_on_one_replica(pair: Servers, suite: Services) -> None:
    await caught_up(pair)
    player_id, _ = await suite.player()
    for number in range(5):
        grant = inventory.ItemGrant(player_id=player_id, item_type="potion", item_id=f"{number}", quantity=1)
        request = inventory.GrantItemRequest(request_id=str(uuid.uuid4()), grant=grant)
        _, token = await told(suite.items.GrantItem(request, timeout=BOUND_S))
        asked = inventory.ListItemsRequest(player_id=player_id, page_size=10)
        page = await suite.items.ListItems(asked, timeout=BOUND_S, metadata=bringing(token))
        assert len(page.items) == number + 1


async def test_a_read_that_takes_seconds_is_done_by_a_replica_while_that_one_lives(
    pair: Servers, store_telemetry: StoreTelemetry
) -> None:
    await caught_up(pair)
    replica = pair.replicas[0]
    slow = Query("slow", "select", "none", "SELECT pg_is_in_recovery() FROM pg_sleep(2.5)", slow=True)
    async with postgres.connect(
        pair.primary.url("profile"),
        5,
        10,
        store_telemetry.of("postgresql_slow"),
        replication=Replication("replica", (replica.url("profile"),)),
    ) as database:
        jobs = Background(store_telemetry.metrics.background_failures)
        for job in database.jobs():
            jobs.start(job)
        try:
            with deadline.within(BOUND_S):
                assert await database.reads.fetch_rows(slow, {}) == [(True,)]
                reading = asyncio.ensure_future(database.reads.fetch_rows(slow, {}))
                await asyncio.sleep(0.5)
                with frozen(processes(replica.data)):
                    async with asyncio.timeout(10):
                        assert await reading == [(False,)]
        finally:
            await jobs.stop()
