"""Boards in DynamoDB while others change them: what happens between two requests of one call, made to happen there."""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from deploy.local.servers.dynamodb import no_dynamodb_local
from services.leaderboard.boards.dynamodb.store import DynamoBoardStore
from services.leaderboard.boards.types import Entry, Submission, Submitted
from shared.contract.errors import NotFound
from shared.stores.dynamodb import DynamoDb
from shared.stores.requests.key import RequestKey
from tests.support.dynamodb import local, table_of
from tests.support.service import migrate

pytestmark = pytest.mark.skipif(bool(no_dynamodb_local()), reason=no_dynamodb_local())

Hook = Callable[[], Awaitable[Any]]


@pytest.fixture(scope="module")
async def table(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DynamoDb]:
    """The table in a DynamoDB Local."""
    async with local(tmp_path_factory.mktemp("dynamodb")) as server:
        await migrate("leaderboard", server.settings)
        async with table_of(server) as opened:
            yield opened


class Disturbed:
    """The table, where somebody does something before a method is called for the n-th time."""

    def __init__(self, table: DynamoDb, method: str, number: int, hook: Hook) -> None:
        self._table = table
        self._method = method
        self._left = number
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._table, name)
        if name != self._method:
            return real

        async def call(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                await self._hook()
            return await real(*args, **options)

        return call


def store(table: Any, *, exact: int = 10_000, shards: int = 1) -> DynamoBoardStore:
    return DynamoBoardStore(cast(DynamoDb, table), 3600, exact, shards)


async def new_board(boards: DynamoBoardStore) -> str:
    return (await boards.create_leaderboard(f"board-{uuid.uuid4().hex}")).leaderboard_id


async def submit(
    boards: DynamoBoardStore, board: str, name: str, score: int, key: RequestKey | None = None
) -> Submitted:
    return await boards.submit_score(Submission(board, name, score, 0, None), key)


async def fill(boards: DynamoBoardStore, board: str, scores: dict[str, int]) -> None:
    await boards.batch_submit_scores([Submission(board, name, score, 0, None) for name, score in scores.items()], None)


async def test_a_page_is_whole_though_an_entry_moves_down_through_it(table: DynamoDb) -> None:
    plain = store(table, shards=4)
    board = await new_board(plain)
    # All in one shard, which is read several times then.
    kept = await plain._boards.find(board)
    assert kept
    names = [name for number in range(400) if kept.shard(name := f"p{number}") == 0][:40]
    await fill(plain, board, {name: 1000 - place for place, name in enumerate(names)})

    async def move() -> None:
        # From the first place behind what the first read of each shard has seen.
        await submit(plain, board, names[0], 1000 - 14)

    top = await store(Disturbed(table, "query", 5, move)).list_top(board, None, 20)
    assert top
    listed = [entry.entry_id for entry in top.entries]
    assert len(listed) == len(set(listed)) == 20


async def test_no_rank_around_an_entry_is_before_the_first(table: DynamoDb) -> None:
    boards = store(table, exact=1, shards=2)
    board = await new_board(boards)
    await fill(boards, board, {"best": 10**6, **{f"p{number:02}": 1000 for number in range(60)}})
    order: list[Entry] = []
    if top := await boards.list_top(board, None, 100):
        order += top.entries
    true = {entry.entry_id: rank for rank, entry in enumerate(order, 1)}
    around = await boards.list_around(board, order[-1].entry_id, 50)
    assert len(around) == 61
    for entry in around:
        assert entry.rank >= 1
        assert abs(entry.rank - true[entry.entry_id]) <= entry.rank_error


async def test_who_was_answered_first_leads_though_another_clock_is_ahead_and_a_third_write_lay_between(
    table: DynamoDb,
) -> None:
    boards, ahead = store(table), store(table)
    board = await new_board(boards)
    ahead._submits._clock._last = (time.time_ns() // 1000 + 10_000_000) << 12

    async def first() -> None:
        await submit(ahead, board, "ann", 7)

    # One that had read the board before Ann's score came, and writes after it.
    await submit(store(Disturbed(table, "write", 1, first)), board, "bob", 3)
    assert (await submit(boards, board, "cid", 7)).entry.rank == 2
    assert (await boards.get_entry(board, "ann")).rank == 1


async def test_a_board_that_is_made_again_during_a_call_does_not_make_its_refusal_unsaid(table: DynamoDb) -> None:
    others = store(table)
    board = await new_board(others)

    async def make() -> None:
        await others.create_leaderboard(board)

    disturbed = Disturbed(table, "get", -1, make)
    boards = store(disturbed)
    await submit(boards, board, "ann", 1)
    await others.delete_leaderboard(board)
    # Its heads, the board, the board again.
    disturbed._left = 3
    key = RequestKey(uuid.uuid4(), "SubmitScore", b"x" * 16)
    assert await outcome(boards, board, key) == await outcome(boards, board, key)


async def outcome(boards: DynamoBoardStore, board: str, key: RequestKey) -> Submitted | str:
    try:
        return await submit(boards, board, "bob", 2, key)
    except NotFound as error:
        return error.reason
