"""Boards in DynamoDB, on DynamoDB Local: estimated ranks, what a crash leaves, what an operator is told."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local import embedded, ports
from deploy.local.servers.dynamodb import DynamoDbLocal, Moto, no_dynamodb_local
from services.leaderboard.boards.dynamodb.boards import Boards
from services.leaderboard.boards.dynamodb.deleted import DeletedBoards
from services.leaderboard.boards.dynamodb.order import listed
from services.leaderboard.boards.dynamodb.positions import Position, entry_id_of
from services.leaderboard.boards.dynamodb.reading import read
from shared.stores import dynamodb
from shared.stores.dynamodb import DynamoDb
from tests.support.boards import Ranks, new_board, submission
from tests.support.dynamodb import local, table_of
from tests.support.errors import failure
from tests.support.service import ROOT, Service, migrate, running, starts_with

pytestmark = pytest.mark.skipif(bool(no_dynamodb_local()), reason=no_dynamodb_local())

# How many entries of each distribution; 20,000 was tried.
ENTRIES = int(os.environ.get("BOARD_ENTRIES", "1000"))
EXACT = 100


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DynamoDbLocal]:
    """DynamoDB Local, with the table."""
    async with local(tmp_path_factory.mktemp("dynamodb")) as started:
        await migrate("leaderboard", started.settings)
        yield started


@pytest.fixture(scope="module")
async def service(server: DynamoDbLocal, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A leaderboard service whose first 100 ranks are exact."""
    environment = {**server.settings, "DYNAMODB_EXACT_RANKS": str(EXACT), "DEFAULT_DEADLINE_S": "30"}
    async with running("leaderboard", environment, tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture
def ranks(service: Service) -> Ranks:
    return LeaderboardServiceStub(service.channel)


@pytest.fixture
async def table(server: DynamoDbLocal) -> AsyncIterator[DynamoDb]:
    """The table itself."""
    async with table_of(server) as opened:
        yield opened


async def submit(ranks: Ranks, board: str, name: str, score: int, note: str = "") -> pb.SubmitScoreResponse:
    return await ranks.SubmitScore(pb.SubmitScoreRequest(submission=submission(board, name, score, note=note)))


async def fill(ranks: Ranks, board: str, scores: Iterable[tuple[str, int]]) -> None:
    submissions = [submission(board, name, score) for name, score in scores]
    for at in range(0, len(submissions), 1000):
        await ranks.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=submissions[at : at + 1000]), timeout=30)


async def get(ranks: Ranks, board: str, name: str) -> pb.Entry:
    return (await ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id=name))).entry


DISTRIBUTIONS: Mapping[str, Callable[[random.Random], int]] = {
    "uniform": lambda choice: choice.randrange(10**6),
    "all equal": lambda choice: 1000,
    "exponential": lambda choice: int(choice.expovariate(1 / 5000)),
    "around zero": lambda choice: int(choice.gauss(0, 300)),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
async def test_the_first_ranks_are_exact_and_the_others_within_their_error(ranks: Ranks, distribution: str) -> None:
    choice = random.Random(distribution)
    board = await new_board(ranks)
    scores = {f"p{number}": DISTRIBUTIONS[distribution](choice) for number in range(ENTRIES)}
    await fill(ranks, board, scores.items())
    # The list's order is exact at any depth, and so tells the truth.
    order: list[pb.Entry] = []
    request = pb.ListTopRequest(leaderboard_id=board, page_size=997)
    while True:
        page = await ranks.ListTop(request)
        order += page.entries
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [entry.score for entry in order] == sorted(scores.values(), reverse=True)
    assert {entry.entry_id for entry in order} == set(scores)
    rank_of = {entry.entry_id: rank for rank, entry in enumerate(order, 1)}
    estimates = 0
    for entry in order:
        assert abs(entry.rank - rank_of[entry.entry_id]) <= entry.rank_error
    for rank in [1, 2, EXACT - 1, EXACT, *choice.sample(range(1, ENTRIES + 1), 25), ENTRIES]:
        name = order[rank - 1].entry_id
        entry = await get(ranks, board, name)
        around = await ranks.ListAround(pb.ListAroundRequest(leaderboard_id=board, entry_id=name, range=3))
        for told in (entry, *around.entries):
            true = rank_of[told.entry_id]
            assert abs(told.rank - true) <= told.rank_error
            assert told.rank_is_estimate == (told.rank_error > 0)
            assert true > EXACT or not told.rank_is_estimate or told.entry_id != name
        first = max(0, min(rank - 4, ENTRIES - 7))
        assert [told.entry_id for told in around.entries] == [one.entry_id for one in order[first : first + 7]]
        estimates += entry.rank_is_estimate
    if distribution == "all equal":
        assert estimates
    moved = await submit(ranks, board, order[-1].entry_id, 2 * 10**6)
    assert (moved.entry.rank, moved.entry.rank_is_estimate) == (1, False)
    assert abs(moved.previous_entry.rank - ENTRIES) <= moved.previous_entry.rank_error
    counted = await ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=board))
    assert counted.leaderboard.entry_count == ENTRIES


async def test_with_metadata_an_entry_is_the_same_wherever_it_is_read(ranks: Ranks) -> None:
    board = await new_board(ranks)
    note = Struct()
    note["note"] = "x" * 4000
    for number in range(30):
        await submit(ranks, board, f"p{number}", number, note="x" * 4000)
    top = (await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board))).entries
    assert all(entry.metadata == note for entry in top)
    moved = await submit(ranks, board, "p0", 100)
    assert moved.entry.metadata == moved.previous_entry.metadata == note
    assert await get(ranks, board, "p0") == moved.entry


async def agrees(table: DynamoDb, leaderboard_id: str) -> int:
    """That each entry stands where it is said to, and is counted once; returns how many there are."""
    board = await Boards(table, 1).find(leaderboard_id)
    assert board
    items = await listed(table, board, 10_000)
    names = [entry_id_of(str(item["sk"])) for item in items]
    assert len(names) == len(set(names))
    found = await read(table, board, names)
    assert len(found.entries) == len(names)
    for item, name in zip(items, names, strict=True):
        state = found.entries[name]
        assert (state.position, state.version) == (Position.of(str(item["sk"])), item["v"])
    counted: dict[tuple[int, int], int] = {}
    for name in names:
        at = (board.shard(name), found.entries[name].bucket)
        counted[at] = counted.get(at, 0) + 1
    told = {
        (shard, bucket): count for shard, counts in enumerate(found.heads.counts) for bucket, count in counts.items()
    }
    assert counted == told
    assert found.heads.entries == len(names)
    return len(names)


async def test_a_service_that_is_killed_leaves_entries_and_counts_that_agree(
    server: DynamoDbLocal, table: DynamoDb, tmp_path: Path
) -> None:
    victim = Service("leaderboard", server.settings, tmp_path / "victim.log")
    await victim.start()
    ranks: Ranks = LeaderboardServiceStub(victim.channel)
    board = await new_board(ranks)
    told: dict[str, int] = {}

    async def play(name: str) -> None:
        for score in itertools.count(1):
            try:
                await submit(ranks, board, name, score)
            except aio.AioRpcError:
                return
            told[name] = score

    try:
        for kill_after_s in (0.7, 1.1, 1.5):
            players = [asyncio.create_task(play(f"p{number}")) for number in range(24)]
            await asyncio.sleep(kill_after_s)
            assert await victim.stop(signal.SIGKILL) == -signal.SIGKILL
            await asyncio.gather(*players)
            assert await agrees(table, board) == 24
            await victim.start()
            for name, score in told.items():
                # The one that was on its way may have been done.
                assert (await get(ranks, board, name)).score in (score, score + 1)
            told.clear()
    finally:
        await victim.end()


async def test_what_a_deleted_board_leaves_is_taken_away(ranks: Ranks, table: DynamoDb) -> None:
    board = await new_board(ranks)
    await fill(ranks, board, [(f"p{number}", number) for number in range(150)])
    kept = await Boards(table, 1).find(board)
    assert kept
    await ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
    assert len(await listed(table, kept, 1000)) == 150
    await asyncio.gather(DeletedBoards(table).remove_all(), DeletedBoards(table).remove_all())
    assert await listed(table, kept, 1000) == []
    where = [kept.where_key(f"p{number}") for number in range(150)]
    assert await table.get(dynamodb.Query("look", "select", "leaderboards"), where) == {}


async def test_a_large_batch_under_a_request_id_is_refused_and_says_what_to_do(ranks: Ranks) -> None:
    board = await new_board(ranks)
    submissions = [submission(board, f"p{number}", number) for number in range(26)]
    batch = pb.BatchSubmitScoresRequest(submissions=submissions, request_id=str(uuid.uuid4()))
    failed = await failure(ranks.BatchSubmitScores(batch))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_SUPPORTED_BY_STORE")
    assert "up to 25 submissions" in failed.message
    assert failed.metadata["ability"] == "large_batches_under_a_request_id"
    assert not (await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board))).entries
    # The id is free: it says nothing about the board.
    del batch.submissions[25:]
    assert len((await ranks.BatchSubmitScores(batch)).results) == 25


async def board_service_with(environment: Mapping[str, str], command: str) -> tuple[int, str]:
    """What becomes of the leaderboard's command line."""
    listen, metrics = ports.free(2)
    addresses = {"LISTEN": f"{ports.HOST}:{listen}", "METRICS_LISTEN": f"{ports.HOST}:{metrics}"}
    nowhere = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
    return await starts_with({**nowhere, **addresses, **environment}, command, service="leaderboard")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"DYNAMODB_TABLE": "nobody-made-it"},
            "no table 'nobody-made-it' in this region: make it with: python -m serv",
        ),
        (
            {"DYNAMODB_ENDPOINT_URL": "http://127.0.0.1:1", "STORE_START_TIMEOUT_S": "1"},
            "dynamodb store does not answer",
        ),
        ({"AWS_ACCESS_KEY_ID": "not ours!"}, "DynamoDB refuses the credentials"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials for DynamoDB"),
        ({"AWS_REGION": "", "DYNAMODB_ENDPOINT_URL": ""}, "no AWS region is known: set AWS_REGION"),
        ({"AWS_REGION": "-"}, "cannot be reached with these settings: Provided region_name '-'"),
        ({"DYNAMODB_ENDPOINT_URL": "http://"}, "cannot be reached with these settings: Invalid endpoint"),
        ({"DYNAMODB_ENDPOINT_URL": "http://h:port"}, "cannot be reached with these settings: Port"),
        ({"AWS_PROFILE": "nobody"}, "cannot be reached with these settings: The config profile (nobody)"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "cannot be reached with these settings: Partial credentials"),
    ],
)
async def test_what_stops_a_start_is_named(server: DynamoDbLocal, changed: Mapping[str, str], says: str) -> None:
    given = {name: value for name, value in {**server.settings, **changed}.items() if value}
    for command in ("serve",) if "DYNAMODB_TABLE" in changed else ("serve", "migrate"):
        code, message = await board_service_with(given, command)
        assert (code, "Traceback" in message) == (1, False)
        assert says in message


async def test_a_table_of_other_keys_is_not_taken_for_ours(server: DynamoDbLocal, table: DynamoDb) -> None:
    driver: Any = table._driver
    await driver.create_table(
        TableName="others",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    for command in ("serve", "migrate"):
        code, message = await board_service_with({**server.settings, "DYNAMODB_TABLE": "others"}, command)
        assert code == 1
        assert "the table 'others' has other keys than pk and sk" in message


async def test_a_second_migration_finds_nothing_to_do(server: DynamoDbLocal) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.leaderboard", "migrate"),
        env={"PATH": os.environ["PATH"], **server.settings},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert said == b"nothing to migrate: the database is at this version\n"


async def test_without_its_database_the_service_says_so_and_comes_back_with_all_it_had(tmp_path: Path) -> None:
    directory, [port] = tmp_path / "dynamodb", ports.free(1)
    async with local(directory, port) as server:
        await migrate("leaderboard", server.settings)
        service = Service("leaderboard", server.settings, tmp_path / "service.log")
        await service.start()
        ranks: Ranks = LeaderboardServiceStub(service.channel)
        board = await new_board(ranks)
        before = (await submit(ranks, board, "ann", 7, note="kept")).entry
    try:
        async with asyncio.timeout(10):
            while await service.serving():
                await asyncio.sleep(0.1)
        failed = await failure(get(ranks, board, "ann"))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert failed.metadata == {"store": "dynamodb"}
        assert failed.retry_after_s
        async with local(directory, port):
            async with asyncio.timeout(20):
                while not await service.serving():
                    await asyncio.sleep(0.1)
            assert await get(ranks, board, "ann") == before
            assert (await submit(ranks, board, "ann", 8)).changed
    finally:
        await service.end()


async def test_metrics_tell_of_requests(service: Service, ranks: Ranks) -> None:
    await submit(ranks, await new_board(ranks), "ann", 1)
    metrics = await service.scrape()
    assert (
        'db_query_duration_seconds_count{query_type="update",store="dynamodb",table="leaderboard_entries"}' in metrics
    )
    assert 'db_connections_active{store="dynamodb"}' in metrics


async def test_dynamodb_local_hears_nobody_but_this_machine(server: DynamoDbLocal) -> None:
    own = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family is socket.AF_INET and not address.address.startswith("127.")
    ]
    if not own:
        pytest.skip("this machine has no other address")

    async def ask() -> None:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(own[0], server.port)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                await reader.readexactly(12)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await ask()
    # Its server takes a second's rest after each one that it does not take in.
    async with asyncio.timeout(20):
        while not await server.serving():
            await asyncio.sleep(0.1)


async def test_the_stand_in_for_a_machine_without_java_keeps_scores(tmp_path: Path) -> None:
    [port] = ports.free(1)
    async with embedded.alone(tmp_path, lambda layout: Moto(layout, port, "no Java here")) as moto:
        assert "no Java here" in moto.version
        await migrate("leaderboard", moto.settings)
        async with running("leaderboard", moto.settings, tmp_path) as service:
            ranks: Ranks = LeaderboardServiceStub(service.channel)
            board = await new_board(ranks)
            request = pb.SubmitScoreRequest(submission=submission(board, "ann", 5), request_id=str(uuid.uuid4()))
            first = await ranks.SubmitScore(request)
            await submit(ranks, board, "bob", 9)
            assert await ranks.SubmitScore(request) == first
            assert (await get(ranks, board, "ann")).rank == 2
            top = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board))
            assert [entry.entry_id for entry in top.entries] == ["bob", "ann"]
