"""Two processes of a service, each of which puts the requests of its callers into shared statements: together they do
each request once, in whatever order, and neither sees what the other has replaced."""

import asyncio
import itertools
import random
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.conftest import Players
from tests.support import databases
from tests.support.batched import SUBJECTS, UNDER_REQUEST_IDS, Batched, CreatePlayer, ended, held, new_id
from tests.support.service import Service, running

# How long callers go on, in seconds.
FOR_S = 2.0
DEADLOCKS = re.compile(r'^db_errors_total\{kind="DEADLOCK_DETECTED",store="postgresql"\} (.+)$', re.M)


@pytest.fixture(scope="module")
async def profiles(profile: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[aio.Channel]]:
    """Two processes of profile."""
    environment = {name: profile.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    async with running("profile", environment, tmp_path_factory.mktemp("twin")) as twin:
        yield [profile.channel, twin.channel]


@pytest.fixture(scope="module")
async def inventories(inventory: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[aio.Channel]]:
    """Two processes of inventory."""
    environment = {name: inventory.environment[name] for name in ("DATABASE_URL", "PROFILE_TARGET")}
    async with running("inventory", environment, tmp_path_factory.mktemp("twin")) as twin:
        yield [inventory.channel, twin.channel]


@pytest.fixture(scope="module")
async def boards(leaderboard: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[aio.Channel]]:
    """Two processes of leaderboard."""
    environment = {"REDIS_URL": leaderboard.environment["REDIS_URL"]}
    async with running("leaderboard", environment, tmp_path_factory.mktemp("twin")) as twin:
        yield [leaderboard.channel, twin.channel]


@pytest.fixture(params=UNDER_REQUEST_IDS, ids=lambda each: each.__name__)
async def rpc(request: pytest.FixtureRequest, profile: Service, inventory: Service) -> Batched:
    made: Batched = request.param(profile.environment["DATABASE_URL"], inventory.environment["DATABASE_URL"])
    await made.seed()
    return made


async def test_a_request_that_comes_twice_at_once_takes_effect_once(
    rpc: Batched, profiles: list[aio.Channel], inventories: list[aio.Channel]
) -> None:
    channels = profiles if rpc.service == "profile" else inventories
    requests = [rpc.request(number) for number in range(SUBJECTS)]
    # The other process gets them in another order, and one of them twice as well.
    twins = random.sample(range(SUBJECTS), SUBJECTS)
    one, other = (rpc.call(channel) for channel in channels)
    ends = await asyncio.gather(
        *(ended(one(request)) for request in requests),
        *(ended(other(requests[number])) for number in twins),
        *(ended(other(requests[number])) for number in twins),
    )
    assert Counter(end.how for end in ends) == {"OK": 3 * SUBJECTS}
    for number in range(SUBJECTS):
        assert rpc.answered(number, ends[number].answer) == rpc.shown(number)
    for place, number in enumerate([*twins, *twins], SUBJECTS):
        assert ends[place] == ends[number]
    assert await rpc.state() == [rpc.after(number, 1) for number in range(SUBJECTS)]


async def test_names_that_two_processes_want_in_opposite_orders_do_not_deadlock(
    profile: Service, profiles: list[aio.Channel]
) -> None:
    new = CreatePlayer(profile.environment["DATABASE_URL"], "")
    before = await _deadlocks(profile)
    for _ in range(8):
        await new.seed()
        calls = [new.call(channel) for channel in profiles]
        backwards = range(SUBJECTS - 1, -1, -1)
        ends = await asyncio.gather(
            *(ended(calls[0](new.request(number))) for number in range(SUBJECTS)),
            *(ended(calls[1](new.request(number))) for number in backwards),
        )
        # Each name is had once, whoever is first.
        assert Counter(end.how for end in ends) == {"OK": SUBJECTS, "USERNAME_TAKEN": SUBJECTS}
        assert await new.state() == [1] * SUBJECTS
    assert await _deadlocks(profile) == before


async def test_opposed_transfers_of_few_players_are_exact(
    profile: Service, profiles: list[aio.Channel], players: Players
) -> None:
    player_ids = await players(5)
    stubs = [WalletServiceStub(channel) for channel in profiles]
    for player_id in player_ids:
        await stubs[0].AdjustCoins(_adjust(player_id, 100))
    before = await _deadlocks(profile)
    moved: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    until = asyncio.get_running_loop().time() + FOR_S

    async def caller(number: int) -> None:
        while asyncio.get_running_loop().time() < until:
            sender, receiver = random.sample(player_ids, 2)
            request = wallet_pb2.TransferCoinsRequest(
                request_id=new_id(), sender_player_id=sender, receiver_player_id=receiver, amount=9, reason="batch"
            )
            end = await ended(stubs[number % 2].TransferCoins(request))
            ends[end.how] += 1
            if end.how == "OK":
                moved.update({sender: -9, receiver: 9})

    await asyncio.gather(*(caller(number) for number in range(128)))
    assert set(ends) <= {"OK", "INSUFFICIENT_COINS"}
    assert ends["OK"] > 0
    await _assert_wallets(profile, {player_id: 100 + moved[player_id] for player_id in player_ids})
    assert await _deadlocks(profile) == before


async def test_what_was_answered_is_what_the_other_process_reads(profiles: list[aio.Channel], players: Players) -> None:
    player_ids = await players(6)
    coins, levels = Counter[str](), Counter[str]()
    until = asyncio.get_running_loop().time() + FOR_S
    stubs = [ProfileServiceStub(channel) for channel in profiles]
    wallets = [WalletServiceStub(channel) for channel in profiles]

    async def read(player_id: str) -> profile_pb2.Player:
        return (await random.choice(stubs).GetPlayer(profile_pb2.GetPlayerRequest(player_id=player_id))).player

    async def earn(player_id: str) -> None:
        await random.choice(wallets).AdjustCoins(_adjust(player_id, 2))
        coins[player_id] += 2
        assert (await read(player_id)).coins == coins[player_id]

    async def progress(player_id: str) -> None:
        change = profile_pb2.ProgressChange(player_id=player_id, xp_delta=1)
        request = profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=[change])
        [player] = (await random.choice(stubs).BatchApplyProgress(request)).players
        assert (await read(player_id)).xp == player.xp

    async def update(player_id: str) -> None:
        levels[player_id] += 1
        player = profile_pb2.Player(player_id=player_id, mmr=levels[player_id])
        request = profile_pb2.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=["mmr"]))
        if random.random() < 0.5:
            request.player.etag = (await read(player_id)).etag
        while (end := await ended(random.choice(stubs).UpdatePlayer(request))).how == "ETAG_MISMATCH":
            request.player.etag = (await read(player_id)).etag
        assert end.how == "OK"
        assert (await read(player_id)).mmr == levels[player_id]

    async def go_on(step: Any, player_id: str) -> None:
        while asyncio.get_running_loop().time() < until:
            await step(player_id)

    await asyncio.gather(*(go_on(step, one) for one in player_ids for step in (earn, progress, update)))
    assert min(coins[player_id] for player_id in player_ids) > 0


async def test_rows_that_are_held_for_long_hold_up_nobody_who_wants_others(
    profile: Service, profiles: list[aio.Channel], players: Players
) -> None:
    slow, fast = await players(12), await players(4)
    wallets = [WalletServiceStub(channel) for channel in profiles]
    ids = ",".join(f"'{player_id}'" for player_id in slow)
    until = asyncio.get_running_loop().time() + FOR_S
    await asyncio.gather(*(wallets[0].AdjustCoins(_adjust(player_id, 10_000)) for player_id in fast))

    async def caller() -> None:
        # Adjustments and transfers share no statement: they often find each other's locks.
        while asyncio.get_running_loop().time() < until:
            sender, receiver = random.sample(fast, 2)
            request = wallet_pb2.TransferCoinsRequest(
                request_id=new_id(), sender_player_id=sender, receiver_player_id=receiver, amount=1, reason="batch"
            )
            transferred = wallets[0].TransferCoins(request, timeout=8)
            adjusted = wallets[0].AdjustCoins(_adjust(sender, 1), timeout=8)
            assert (await ended(transferred)).how == (await ended(adjusted)).how == "OK"

    async with held(profile.environment["DATABASE_URL"], f"SELECT FROM players WHERE player_id IN ({ids}) FOR UPDATE"):
        waiting = [asyncio.create_task(ended(wallets[0].AdjustCoins(_adjust(player_id, 1)))) for player_id in slow]
        await asyncio.sleep(0.2)
        await asyncio.gather(*(caller() for _ in range(16)))
        assert not any(call.done() for call in waiting)
    assert Counter(end.how for end in await asyncio.gather(*waiting)) == {"OK": len(slow)}


async def test_whoever_is_deleted_leaves_no_entry_behind(
    profile: Service, profiles: list[aio.Channel], players: Players
) -> None:
    stubs = [ProfileServiceStub(channel) for channel in profiles]
    wallets = [WalletServiceStub(channel) for channel in profiles]
    [stays, *doomed] = await players(33)
    await wallets[0].AdjustCoins(_adjust(stays, 1000))

    def calls(player_id: str, number: int) -> Sequence[Any]:
        transfer: dict[str, Any] = {"amount": 1, "reason": "batch"}
        to = wallet_pb2.TransferCoinsRequest(
            request_id=new_id(), sender_player_id=stays, receiver_player_id=player_id, **transfer
        )
        back = wallet_pb2.TransferCoinsRequest(
            request_id=new_id(), sender_player_id=player_id, receiver_player_id=stays, **transfer
        )
        change = profile_pb2.ProgressChange(player_id=player_id, xp_delta=1)
        wish = profile_pb2.Player(player_id=player_id, mmr=5)
        wallet, player = wallets[number % 2], stubs[number % 2]
        return [
            wallet.AdjustCoins(_adjust(player_id, 5)),
            wallet.TransferCoins(to),
            wallet.TransferCoins(back),
            player.BatchApplyProgress(profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=[change])),
            player.UpdatePlayer(profile_pb2.UpdatePlayerRequest(player=wish, update_mask=FieldMask(paths=["mmr"]))),
        ]

    async def life(player_id: str) -> Counter[str]:
        movements = [asyncio.gather(*map(ended, calls(player_id, number))) for number in range(6)]
        await asyncio.sleep(random.uniform(0, 0.1))
        delete = profile_pb2.DeletePlayerRequest(player_id=player_id)
        assert (await ended(random.choice(stubs).DeletePlayer(delete))).how == "OK"
        return Counter(end.how for ends in await asyncio.gather(*movements) for end in ends)

    ends = sum(await asyncio.gather(*map(life, doomed)), Counter[str]())
    assert set(ends) <= {"OK", "PLAYER_NOT_FOUND", "INSUFFICIENT_COINS"}
    url = profile.environment["DATABASE_URL"]
    left = await databases.rows(
        url, "SELECT count(*) FROM wallet_ledger e WHERE NOT EXISTS (SELECT FROM players WHERE player_id = e.player_id)"
    )
    assert left == [(0,)]
    [(entered,)] = await databases.rows(
        url, f"SELECT sum(delta)::bigint FROM wallet_ledger WHERE player_id = '{stays}'"
    )
    await _assert_wallets(profile, {stays: int(str(entered))})


async def test_the_last_of_an_item_is_used_up_and_granted_again_by_two_processes(
    inventory: Service, inventories: list[aio.Channel], players: Players
) -> None:
    [player_id] = await players(1)
    stubs = [InventoryServiceStub(channel) for channel in inventories]
    key: dict[str, Any] = {"player_id": player_id, "item_type": "ore", "item_id": "iron", "quantity": 1}
    ends: Counter[tuple[str, str]] = Counter()
    until = asyncio.get_running_loop().time() + FOR_S

    async def caller(number: int) -> None:
        stub = stubs[number % 2]
        while asyncio.get_running_loop().time() < until:
            grant = inventory_pb2.GrantItemRequest(request_id=new_id(), grant=inventory_pb2.ItemGrant(**key))
            use = inventory_pb2.ConsumeItemRequest(request_id=new_id(), **key)
            if number % 4 < 2:
                ends["grant", (await ended(stub.GrantItem(grant))).how] += 1
            else:
                ends["use", (await ended(stub.ConsumeItem(use))).how] += 1

    await asyncio.gather(*(caller(number) for number in range(16)))
    assert set(ends) <= {("grant", "OK"), ("use", "OK"), ("use", "INSUFFICIENT_QUANTITY")}
    [(owned,)] = await databases.rows(
        inventory.environment["DATABASE_URL"],
        f"SELECT COALESCE(sum(quantity), 0)::bigint FROM inventory WHERE player_id = '{player_id}'",
    )
    assert owned == ends["grant", "OK"] - ends["use", "OK"]


async def test_whoever_asks_for_a_page_sees_every_score_that_was_answered(boards: list[aio.Channel]) -> None:
    stubs = [LeaderboardServiceStub(channel) for channel in boards]
    board = f"fresh-{uuid.uuid4().hex[:12]}"
    made = leaderboard_pb2.Leaderboard(leaderboard_id=board)
    await stubs[0].CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made))

    async def score_and_look(entry_id: str) -> None:
        for number in range(2, 40):
            # Every other one brings metadata alone.
            submission = leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=number // 2)
            submission.metadata.update({"number": number})
            await random.choice(stubs).SubmitScore(leaderboard_pb2.SubmitScoreRequest(submission=submission))
            top = await random.choice(stubs).ListTop(page)
            [entry] = [entry for entry in top.entries if entry.entry_id == entry_id]
            assert (entry.score, entry.metadata) == (submission.score, submission.metadata)

    page = leaderboard_pb2.ListTopRequest(leaderboard_id=board, page_size=100)
    await asyncio.gather(*(score_and_look(f"entry {number}") for number in range(32)))


def _adjust(player_id: str, delta: int) -> wallet_pb2.AdjustCoinsRequest:
    return wallet_pb2.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=delta, reason="batch")


async def _deadlocks(profile: Service) -> float:
    found = DEADLOCKS.search(await profile.scrape())
    return float(found[1]) if found else 0.0


async def _assert_wallets(profile: Service, expected: dict[str, int]) -> None:
    """The coins are these, the ledger adds up to them, and no entry says another balance than follows from the one
    before."""
    for player_id, coins in expected.items():
        url = profile.environment["DATABASE_URL"]
        found = await databases.rows(url, f"SELECT coins FROM players WHERE player_id = '{player_id}'")
        assert found == [(coins,)]
        entries = await databases.rows(
            url, f"SELECT delta, coins_after FROM wallet_ledger WHERE player_id = '{player_id}' ORDER BY entry_id"
        )
        balances = list(itertools.accumulate(int(str(delta)) for delta, _ in entries))
        assert [after for _, after in entries] == balances
        assert balances[-1] == coins
