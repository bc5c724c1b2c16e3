"""Boards under many callers at once, over two replicas: nothing is lost, nothing counts twice, nothing is left over."""

import asyncio
import itertools
import random
import uuid
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from tests.support.boards import Ranks, new_board, submission
from tests.support.errors import failure, failure_of

SUBMITTERS = 64


async def submit(ranks: Ranks, board: str, name: str, score: int, request_id: str = "") -> pb.SubmitScoreResponse:
    request = pb.SubmitScoreRequest(submission=submission(board, name, score), request_id=request_id or None)
    return await ranks.SubmitScore(request, timeout=25)


async def listed(ranks: Ranks, board: str, size: int = 1000) -> AsyncIterator[pb.Entry]:
    """All of a board, page by page."""
    request = pb.ListTopRequest(leaderboard_id=board, page_size=size)
    while True:
        page = await ranks.ListTop(request)
        for entry in page.entries:
            yield entry
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def agrees(ranks: Ranks, board: str) -> list[pb.Entry]:
    """The board at rest, once all that tells of it has told the same."""
    entries = [entry async for entry in listed(ranks, board)]
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1))
    assert len({entry.entry_id for entry in entries}) == len(entries)
    told = await ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=board))
    assert told.leaderboard.entry_count == len(entries)
    for entry in entries:
        got = await ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id=entry.entry_id))
        assert got.entry == entry
    return entries


async def test_of_64_submitters_to_one_entry_none_overwrites_what_it_has_not_seen(
    ranks: Ranks, other: Ranks, board: str
) -> None:
    answers = await asyncio.gather(
        *(submit((ranks, other)[n % 2], board, "ann", n) for n in random.sample(range(1, SUBMITTERS + 1), SUBMITTERS))
    )
    # Each has replaced another one's score: together they are a chain from nothing to what stands now.
    after = {answer.previous_entry.score: answer.entry.score for answer in answers}
    score, links = 0, 0
    while score in after:
        score, links = after[score], links + 1
    assert links == SUBMITTERS
    [entry] = await agrees(other, board)
    assert entry.score == score


async def test_what_was_answered_last_stands(ranks: Ranks, other: Ranks, board: str) -> None:
    """Each caller its own entry: after its answer, every replica shows it."""

    async def play(name: str) -> None:
        for score in random.sample(range(1000), 5):
            writing, reading = random.sample((ranks, other), 2)
            answer = await submit(writing, board, name, score)
            got = await reading.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id=name))
            assert got.entry.score == answer.entry.score == score
            top = {entry.entry_id: entry.score async for entry in listed(reading, board)}
            assert top[name] == score

    await asyncio.gather(*(play(f"p{number}") for number in range(16)))
    assert len(await agrees(ranks, board)) == 16


async def test_a_request_that_races_itself_over_replicas_counts_once(ranks: Ranks, other: Ranks, board: str) -> None:
    await submit(ranks, board, "ann", 1)
    for score in range(2, 7):
        request_id = str(uuid.uuid4())
        answers = await asyncio.gather(
            *(submit(replica, board, "ann", score, request_id) for replica in (ranks, other) * 8)
        )
        assert len({answer.SerializeToString() for answer in answers}) == 1
        assert (answers[0].previous_entry.score, answers[0].changed) == (score - 1, True)
        # Another content under the same id, for another entry too, is refused and changes nothing.
        for name in ("ann", "bob"):
            assert (await failure(submit(other, board, name, 99, request_id))).reason == "REQUEST_ID_REUSED"
    assert [(entry.entry_id, entry.score) for entry in await agrees(other, board)] == [("ann", 6)]


async def test_of_two_requests_that_race_under_one_id_one_counts(ranks: Ranks, other: Ranks, board: str) -> None:
    for _ in range(5):
        request_id = str(uuid.uuid4())
        names = [f"p{uuid.uuid4().hex[:8]}" for _ in range(8)]
        results = await asyncio.gather(
            *(submit((ranks, other)[n % 2], board, name, 1, request_id) for n, name in enumerate(names)),
            return_exceptions=True,
        )
        done = [result for result in results if isinstance(result, pb.SubmitScoreResponse)]
        refused = [failure_of(result).reason for result in results if isinstance(result, aio.AioRpcError)]
        assert (len(done), refused) == (1, ["REQUEST_ID_REUSED"] * 7)
    assert len(await agrees(ranks, board)) == 5


async def test_that_there_was_no_board_is_final_under_a_request_id(ranks: Ranks, other: Ranks) -> None:
    board, request_id, another = f"late-{uuid.uuid4().hex}", str(uuid.uuid4()), str(uuid.uuid4())
    batch = pb.BatchSubmitScoresRequest(submissions=[submission(board, "ann", 1)], request_id=another)
    assert (await failure(submit(ranks, board, "ann", 1, request_id))).reason == "LEADERBOARD_NOT_FOUND"
    refused = await ranks.BatchSubmitScores(batch)
    assert refused.results[0].failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    await ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)))
    assert (await failure(submit(other, board, "ann", 1, request_id))).reason == "LEADERBOARD_NOT_FOUND"
    assert (await failure(submit(other, board, "ann", 2, request_id))).reason == "REQUEST_ID_REUSED"
    assert await other.BatchSubmitScores(batch) == refused
    assert await agrees(ranks, board) == []
    assert (await submit(other, board, "ann", 1, str(uuid.uuid4()))).changed


async def test_a_board_made_anew_has_nothing_of_the_one_before(ranks: Ranks, other: Ranks, board: str) -> None:
    request_id = str(uuid.uuid4())
    await submit(ranks, board, "ann", 1, request_id)
    await submit(other, board, "bob", 2)
    await ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
    assert (await failure(submit(other, board, "ann", 1))).reason == "LEADERBOARD_NOT_FOUND"
    get = pb.GetEntryRequest(leaderboard_id=board, entry_id="bob")
    assert (await failure(other.GetEntry(get))).reason == "LEADERBOARD_NOT_FOUND"
    await other.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)))
    assert await agrees(ranks, board) == []
    assert (await failure(ranks.GetEntry(get))).reason == "ENTRY_NOT_FOUND"
    # A record belongs to its board: the request counts as a new one.
    again = await submit(ranks, board, "ann", 1, request_id)
    assert again.changed
    assert not again.HasField("previous_entry")


async def test_submissions_that_race_a_deletion_are_on_one_board_or_the_other(ranks: Ranks, other: Ranks) -> None:
    board = await new_board(ranks)
    over = False
    # The score that each caller was last told is set, and the generation of the board that it was sent to at the least.
    told: dict[str, tuple[int, int]] = {}
    generation = 0

    async def play(name: str, replica: Ranks) -> None:
        for score in itertools.count(1):
            if over:
                return
            sent = generation
            try:
                await submit(replica, board, name, score)
                told[name] = (score, sent)
            except aio.AioRpcError as error:
                assert failure_of(error).reason == "LEADERBOARD_NOT_FOUND"  # noqa: PT017 # it may as well succeed

    players = [asyncio.create_task(play(f"p{n}", (ranks, other)[n % 2])) for n in range(8)]
    for replica in (ranks, other) * 3:
        await asyncio.sleep(0.2)
        await replica.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
        await replica.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)))
        generation += 1
    await asyncio.sleep(0.2)
    over = True
    await asyncio.gather(*players)
    stands = {entry.entry_id: entry.score for entry in await agrees(ranks, board)}
    for name, (score, sent) in told.items():
        if sent == generation:
            assert stands[name] == score
    assert stands


async def test_many_callers_of_all_kinds_leave_a_board_that_agrees_with_itself(
    ranks: Ranks, other: Ranks, board: str
) -> None:
    choice = random.Random(17)

    async def play(number: int) -> None:
        replica = (ranks, other)[number % 2]
        for _ in range(6):
            name = f"p{choice.randrange(30)}"
            match choice.randrange(4):
                case 0 | 1:
                    await submit(replica, board, name, choice.randrange(-5, 40), str(uuid.uuid4()))
                case 2:
                    batch = [submission(board, f"p{choice.randrange(30)}", choice.randrange(9)) for _ in range(12)]
                    await replica.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=batch), timeout=25)
                case _:
                    try:
                        await replica.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id=name))
                    except aio.AioRpcError as error:
                        assert failure_of(error).reason == "ENTRY_NOT_FOUND"  # noqa: PT017 # it may as well succeed

    await asyncio.gather(*(play(number) for number in range(24)))
    await agrees(ranks, board)


async def test_pages_show_what_does_not_move_exactly_once_while_others_do(
    ranks: Ranks, other: Ranks, board: str
) -> None:
    still = {f"s{number}": number for number in range(0, 120)}
    batch = [submission(board, name, score) for name, score in still.items()]
    await ranks.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=batch))
    over = False

    async def move(number: int) -> None:
        while not over:
            await submit((ranks, other)[number % 2], board, f"m{number}", random.randrange(-10, 130))

    movers = [asyncio.create_task(move(number)) for number in range(6)]
    try:
        for size in (7, 20, 1000):
            for replica in (ranks, other):
                seen = [entry.entry_id async for entry in listed(replica, board, size)]
                assert [name for name in seen if name in still] == sorted(still, key=still.__getitem__, reverse=True)
    finally:
        over = True
        await asyncio.gather(*movers)
    assert len(await agrees(other, board)) == len(still) + 6


@pytest.mark.parametrize("size", [25, pytest.param(1000, marks=pytest.mark.needs("large_batches_under_a_request_id"))])
async def test_a_batch_under_a_request_id_takes_effect_as_one_and_once(
    ranks: Ranks, other: Ranks, board: str, size: int
) -> None:
    await submit(ranks, board, "n0", 5)
    # The last two are of one entry.
    scores = [*((f"n{number}", number) for number in range(size - 1)), ("n1", size)]
    batch = pb.BatchSubmitScoresRequest(
        request_id=str(uuid.uuid4()), submissions=[submission(board, name, score) for name, score in scores]
    )
    answers = await asyncio.gather(*(replica.BatchSubmitScores(batch) for replica in (ranks, other, ranks, other)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    entries = await agrees(ranks, board)
    stands = {entry.entry_id: (entry.score, entry.rank) for entry in entries}
    assert [(entry.entry_id, entry.score) for entry in entries][:2] == [("n1", size), (f"n{size - 2}", size - 2)]
    ranked = [result.entry.rank for result in answers[0].results]
    assert ranked == [stands[name][1] for name, _ in scores]
    await submit(other, board, "n0", 77)
    assert await ranks.BatchSubmitScores(batch) == answers[0]
    assert (await agrees(ranks, board))[0].score == max(77, size)
