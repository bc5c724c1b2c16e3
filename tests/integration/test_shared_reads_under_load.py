"""Readers share statements and look-ups: among many at once one asks for what is not there and one gives up, and the
others read what is there."""

import asyncio
import random
import uuid
from collections import Counter

from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from tests.support.batched import SUBJECTS, AdjustCoins, ended, new_id
from tests.support.service import Service


async def test_players_who_are_not_cached(profile: Service) -> None:
    # Made behind the service's back, so that the cache knows none of them.
    made = AdjustCoins(profile.environment["DATABASE_URL"], "")
    await made.seed()
    stub = ProfileServiceStub(profile.channel)
    unknown = new_id()
    # Each is asked for twice at once, and some in a batch as well.
    asked = [*made.player_ids, *made.player_ids, unknown]
    random.shuffle(asked)
    calls = [asyncio.create_task(ended(stub.GetPlayer(profile_pb2.GetPlayerRequest(player_id=one)))) for one in asked]
    several = profile_pb2.BatchGetPlayersRequest(player_ids=[*made.player_ids[:50], unknown])
    batch = asyncio.create_task(ended(stub.BatchGetPlayers(several)))
    await asyncio.sleep(0.004)
    for call in calls[:10]:
        call.cancel()
    ends = await asyncio.gather(*calls)
    for player_id, end in zip(asked[10:], ends[10:], strict=True):
        if player_id == unknown:
            assert end.how == "PLAYER_NOT_FOUND"
        else:
            assert (end.how, end.answer.player.player_id, end.answer.player.coins) == ("OK", player_id, 10)
    answer = (await batch).answer
    assert [player.player_id for player in answer.players] == made.player_ids[:50]
    assert list(answer.missing_player_ids) == [unknown]


async def test_a_page_that_all_want(leaderboard: Service) -> None:
    stub = LeaderboardServiceStub(leaderboard.channel)
    board = f"page-{uuid.uuid4().hex[:12]}"
    made = leaderboard_pb2.Leaderboard(leaderboard_id=board)
    await stub.CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made))
    scores = [
        leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=f"entry {score}", score=score)
        for score in range(200)
    ]
    await stub.BatchSubmitScores(leaderboard_pb2.BatchSubmitScoresRequest(submissions=scores))
    request = leaderboard_pb2.ListTopRequest(leaderboard_id=board, page_size=100)
    for _ in range(5):
        calls = [asyncio.create_task(ended(stub.ListTop(request))) for _ in range(SUBJECTS)]
        unknown = asyncio.create_task(ended(stub.ListTop(leaderboard_pb2.ListTopRequest(leaderboard_id="no-board"))))
        await asyncio.sleep(0.002)
        # The first may do the look-up itself, and some wait for it.
        for call in calls[:3]:
            call.cancel()
        ends = await asyncio.gather(*calls)
        assert (await unknown).how == "LEADERBOARD_NOT_FOUND"
        assert Counter(end.how for end in ends[3:]) == {"OK": SUBJECTS - 3}
        for end in ends[3:]:
            assert [entry.rank for entry in end.answer.entries] == list(range(1, 101))
            assert [entry.score for entry in end.answer.entries] == list(range(199, 99, -1))


async def test_whoever_reads_page_after_page_while_the_board_changes_sees_each_entry(leaderboard: Service) -> None:
    stub = LeaderboardServiceStub(leaderboard.channel)
    board = f"walk-{uuid.uuid4().hex[:12]}"
    made = leaderboard_pb2.Leaderboard(leaderboard_id=board)
    await stub.CreateLeaderboard(leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made))

    async def submit(entry_id: str, score: int) -> None:
        submission = leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score)
        await stub.SubmitScore(leaderboard_pb2.SubmitScoreRequest(submission=submission))

    # These keep their scores, and stand between those that move.
    await asyncio.gather(*(submit(f"still {number}", number % 3) for number in range(60)))

    async def move() -> None:
        while True:
            await submit(f"moving {random.randrange(20)}", random.randrange(-1, 4))

    async def walk() -> None:
        seen: list[str] = []
        request = leaderboard_pb2.ListTopRequest(leaderboard_id=board, page_size=7)
        while True:
            page = await stub.ListTop(request)
            seen += [entry.entry_id for entry in page.entries if entry.entry_id.startswith("still")]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert sorted(seen) == sorted(f"still {number}" for number in range(60))

    moving = [asyncio.create_task(move()) for _ in range(4)]
    try:
        for _ in range(5):
            await asyncio.gather(*(walk() for _ in range(8)))
    finally:
        for task in moving:
            task.cancel()
        await asyncio.gather(*moving, return_exceptions=True)
