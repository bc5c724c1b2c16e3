"""Pages of a board that a service keeps, and look-ups that callers share: a page shows every write that was answered
before it was asked for, whoever made the write."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from grpc import aio
from redis.asyncio import Redis
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local.stores import Stores
from tests.support.boards import Ranks, keys, new_board, remove_as_0_2, submission, submit_as_0_2
from tests.support.service import Service, running

Write = Callable[[], Awaitable[object]]


@pytest.fixture
def ranks(leaderboard: Service) -> Ranks:
    return LeaderboardServiceStub(leaderboard.channel)


@pytest.fixture(scope="module")
async def other(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ranks]:
    """Another replica."""
    directory = tmp_path_factory.mktemp("other")
    async with running("leaderboard", {"REDIS_URL": stores.ranks_url}, directory) as service:
        yield LeaderboardServiceStub(service.channel)


@pytest.fixture
async def server(stores: Stores) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.ranks_url, protocol=3) as client:
        yield client


@pytest.fixture
async def board(ranks: Ranks) -> str:
    """A board with ann at 1, bob at 2, cid at 3."""
    made = await new_board(ranks)
    for score, name in enumerate(("ann", "bob", "cid"), 1):
        await submit(ranks, made, name, score)
    return made


async def submit(ranks: Ranks, board: str, name: str, score: int, note: str = "") -> None:
    await ranks.SubmitScore(pb.SubmitScoreRequest(submission=submission(board, name, score, note=note)))


async def remove(ranks: Ranks, board: str, name: str) -> None:
    await ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id=name))


async def page(ranks: Ranks, board: str, token: str = "", size: int = 0) -> pb.ListTopResponse:
    return await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_token=token, page_size=size))


def shown(listed: pb.ListTopResponse) -> list[tuple[str, int]]:
    return [(entry.entry_id, entry.score) for entry in listed.entries]


async def test_a_page_is_the_same_until_its_board_changes(ranks: Ranks, other: Ranks, board: str) -> None:
    for listing, writing in itertools.permutations((ranks, other)):
        before = await page(listing, board)
        assert await page(listing, board) == before
        await submit(writing, board, "bob", random.randrange(10, 10**6))
        after = await page(listing, board)
        assert shown(after)[0][0] == "bob"
        assert after != before
        assert await page(writing, board) == after


@pytest.mark.parametrize("replica", [0, 1])
async def test_every_kind_of_write_is_seen_at_once(ranks: Ranks, other: Ranks, board: str, replica: int) -> None:
    writing = (ranks, other)[replica]

    async def recreate() -> None:
        await writing.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
        created = pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board))
        await writing.CreateLeaderboard(created)

    batch = [submission(board, name, 7) for name in ("ann", "dan", "ann")]
    writes: list[Write] = [
        lambda: submit(writing, board, "ann", 4),
        lambda: submit(writing, board, "ann", 4, note="metadata alone"),
        lambda: submit(writing, board, "ann", 4, note="other metadata alone"),
        lambda: writing.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=batch)),
        lambda: remove(writing, board, "ann"),
        lambda: submit(writing, board, "ann", 4),
        recreate,
        lambda: submit(writing, board, "ann", 1),
    ]
    seen = [await page(ranks, board)]
    for write in writes:
        await write()
        seen.append(await page(ranks, board))
        assert seen[-1] != seen[-2]
        assert seen[-1] == await page(other, board)


async def test_pages_behind_positions_are_kept_apart(ranks: Ranks, board: str) -> None:
    first = await page(ranks, board, size=1)
    second = await page(ranks, board, first.next_page_token, size=1)
    rest = await page(ranks, board, first.next_page_token, size=2)
    pages = [first, second, rest, await page(ranks, board), await page(ranks, board, size=3)]
    assert [shown(one) for one in pages] == [
        [("cid", 3)],
        [("bob", 2)],
        [("bob", 2), ("ann", 1)],
        *[[("cid", 3), ("bob", 2), ("ann", 1)]] * 2,
    ]
    assert [bool(one.next_page_token) for one in pages] == [True, True, False, False, False]
    again = [
        await page(ranks, board, size=1),
        await page(ranks, board, first.next_page_token, size=1),
        await page(ranks, board, first.next_page_token, size=2),
        await page(ranks, board),
        await page(ranks, board, size=3),
    ]
    assert again == pages


async def test_a_page_shows_every_write_that_was_answered_before_it_was_asked_for(
    ranks: Ranks, other: Ranks, board: str
) -> None:
    replicas = (ranks, other)
    # What each writer has been told is done. Scores only rise, so a page may show a later one.
    done: dict[str, int] = {}
    until = asyncio.get_running_loop().time() + 3
    pages = 0

    async def write(number: int) -> None:
        choice = random.Random(number)
        for score in itertools.count(1):
            if asyncio.get_running_loop().time() > until:
                return
            await submit(choice.choice(replicas), board, f"w{number}", score)
            done[f"w{number}"] = score
            await asyncio.sleep(choice.choice((0, 0.002, 0.02)))

    async def read(number: int) -> None:
        nonlocal pages
        while asyncio.get_running_loop().time() < until:
            wanted = dict(done)
            found = dict(shown(await page(replicas[number % 2], board)))
            assert all(found[name] >= score for name, score in wanted.items())
            pages += 1

    await asyncio.gather(*(write(number) for number in range(4)), *(read(number) for number in range(16)))
    assert pages > 100


async def test_a_writer_finds_its_own_write_on_every_page(ranks: Ranks, other: Ranks, board: str) -> None:
    """Each writer reads after its own writes, while others write and read the same page: so most look-ups are shared,
    and the version moves all the time."""
    until = asyncio.get_running_loop().time() + 3

    async def caller(number: int) -> int:
        name, choice = f"w{number}", random.Random(number)
        for turn in itertools.count(1):
            if asyncio.get_running_loop().time() > until:
                return turn
            writing, reading = choice.choice((ranks, other)), choice.choice((ranks, other))
            kind = choice.random()
            if kind < 0.2 and turn > 1:
                await remove(writing, board, name)
                assert name not in dict(shown(await page(reading, board)))
            note = f"{name}-{turn}"
            score = choice.randrange(3)
            await submit(writing, board, name, score, note=note)
            listed = {entry.entry_id: entry for entry in (await page(reading, board)).entries}
            assert (listed[name].score, listed[name].metadata["note"]) == (score, note)
        return 0

    turns = await asyncio.gather(*(caller(number) for number in range(24)))
    assert sum(turns) > 200


@pytest.mark.parametrize("write", ["score", "metadata", "removal", "batch"])
async def test_a_server_that_lost_its_last_writes_does_not_make_an_old_page_right(
    ranks: Ranks, server: Redis, board: str, write: str
) -> None:
    """The append-only file reaches the disk once a second. A server that comes back without the last writes counts the
    same numbers again, for other ones."""

    async def change(name: str) -> None:
        match write:
            case "score":
                await submit(ranks, board, name, 50)
            case "metadata":
                await submit(ranks, board, name, {"ann": 1, "bob": 2}[name], note="new")
            case "removal":
                await remove(ranks, board, name)
            case "batch":
                await ranks.BatchSubmitScores(
                    pb.BatchSubmitScoresRequest(submissions=[submission(board, name, 50), submission(board, "new", 9)])
                )

    kept = {key: await server.dump(key) for key in keys(board)}
    await change("ann")
    lost = await page(ranks, board)
    for key, value in kept.items():
        assert value is not None
        await server.restore(key, 0, value, replace=True)
    await change("bob")
    found = await page(ranks, board)
    assert found != lost
    entries = {entry.entry_id: entry for entry in found.entries}
    match write:
        case "score" | "batch":
            assert (entries["bob"].score, entries["ann"].score) == (50, 1)
        case "metadata":
            assert (entries["bob"].HasField("metadata"), entries["ann"].HasField("metadata")) == (True, False)
        case "removal":
            assert set(entries) == {"ann", "cid"}


async def test_scores_and_removals_of_0_2_0_are_seen_at_once(ranks: Ranks, server: Redis, board: str) -> None:
    assert shown(await page(ranks, board))[0] == ("cid", 3)
    await submit_as_0_2(server, board, [submission(board, "ann", 50)])
    assert shown(await page(ranks, board)) == [("ann", 50), ("cid", 3), ("bob", 2)]
    await remove_as_0_2(server, board, "ann")
    assert shown(await page(ranks, board)) == [("cid", 3), ("bob", 2)]
    # Metadata alone is seen with the next change.
    await submit_as_0_2(server, board, [submission(board, "cid", 3, note="new")])
    await submit(ranks, board, "ann", 1)
    assert (await page(ranks, board)).entries[0].metadata["note"] == "new"


async def test_a_board_that_is_gone_has_no_page(ranks: Ranks, board: str) -> None:
    assert len((await page(ranks, board)).entries) == 3
    await ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
    results = await asyncio.gather(*(page(ranks, board) for _ in range(10)), return_exceptions=True)
    assert {result.code() for result in results if isinstance(result, aio.AioRpcError)} == {grpc.StatusCode.NOT_FOUND}
    assert len(results) == 10


async def test_a_caller_who_leaves_does_not_disturb_those_who_share_its_look_up(ranks: Ranks, board: str) -> None:
    for _ in range(20):
        calls = [ranks.ListTop(pb.ListTopRequest(leaderboard_id=board)) for _ in range(64)]
        await asyncio.sleep(random.uniform(0, 0.004))
        for gone in (0, 1, 40):
            calls[gone].cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        stayed = [answer for at, answer in enumerate(answers) if at not in (0, 1, 40)]
        assert all(isinstance(answer, pb.ListTopResponse) and len(answer.entries) == 3 for answer in stayed)
