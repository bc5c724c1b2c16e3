"""Scores of many callers that go to their board together, and the script that sets them: each as if it came alone, and
as release 0.2.0 set it."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc import aio
from redis.asyncio import Redis
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

from deploy.local.stores import Stores
from services.leaderboard.boards.messages import content_of_0_1
from shared.stores.requests.key import RequestKey
from tests.support.boards import Ranks, keys, new_board, submission, submit_as_0_2
from tests.support.errors import failure, failure_of
from tests.support.service import Service

AnyRequest = pb.SubmitScoreRequest | pb.BatchSubmitScoresRequest

RECORDED = """
local fingerprint, answer, board = unpack(cmsgpack.unpack(redis.call('GET', KEYS[1])))
return {fingerprint, answer, board}
"""


@pytest.fixture
def ranks(leaderboard: Service) -> Ranks:
    return LeaderboardServiceStub(leaderboard.channel)


@pytest.fixture
async def board(ranks: Ranks) -> str:
    return await new_board(ranks)


@pytest.fixture
async def server(stores: Stores) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.ranks_url, protocol=3) as client:
        yield client


def request(board: str, name: str, score: int, request_id: str | None = None) -> pb.SubmitScoreRequest:
    return pb.SubmitScoreRequest(request_id=request_id, submission=submission(board, name, score))


def fingerprint(of: AnyRequest) -> bytes:
    """As the store's record of a request has it."""
    key = RequestKey.of(of, content_of_0_1)
    return key.method.encode() + b":" + key.fingerprint


def submissions(of: AnyRequest) -> list[pb.ScoreSubmission]:
    return list(of.submissions) if isinstance(of, pb.BatchSubmitScoresRequest) else [of.submission]


async def test_among_64_that_go_together_each_is_answered_as_if_it_came_alone(ranks: Ranks, board: str) -> None:
    repeated, reused = str(uuid.uuid4()), str(uuid.uuid4())
    first = await ranks.SubmitScore(request(board, "repeated", 1000, repeated))
    await ranks.SubmitScore(request(board, "reused", 2000, reused))
    other = await new_board(ranks)
    for turn in range(10):
        calls: list[Any] = [
            ranks.SubmitScore(request(board, f"{turn}-{n}", n, str(uuid.uuid4()) if n % 2 else None)) for n in range(58)
        ]
        calls += [
            ranks.SubmitScore(request(board, "repeated", 1000, repeated)),
            ranks.SubmitScore(request(board, "reused", 3000, reused)),
            ranks.SubmitScore(request("nowhere", "ann", 1)),
            ranks.SubmitScore(request(other, "ann", turn + 1)),
            ranks.SubmitScore(request(board, "gone", turn)),
            ranks.SubmitScore(request(board, "", turn)),
        ]
        random.shuffle(shuffled := list(enumerate(calls)))
        leaving = calls[62]
        asyncio.get_running_loop().call_later(random.uniform(0, 0.003), leaving.cancel)
        results: dict[int, Any] = dict(
            zip(
                (at for at, _ in shuffled),
                await asyncio.gather(*(call for _, call in shuffled), return_exceptions=True),
                strict=True,
            )
        )
        for n in range(58):
            assert (results[n].entry.entry_id, results[n].entry.score, results[n].changed) == (f"{turn}-{n}", n, True)
            assert not results[n].HasField("previous_entry")
        assert results[58].SerializeToString() == first.SerializeToString()
        assert failure_of(results[59]).reason == "REQUEST_ID_REUSED"
        assert failure_of(results[60]).metadata == {"leaderboard_id": "nowhere"}
        assert (results[61].entry.score, results[61].entry.rank) == (turn + 1, 1)
        assert isinstance(results[62], asyncio.CancelledError | pb.SubmitScoreResponse)
        assert failure_of(results[63]).field == "submission.entry_id"
    read = await ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=board))
    assert read.leaderboard.entry_count in (10 * 58 + 2, 10 * 58 + 3)


async def test_the_same_request_many_times_at_once_takes_effect_once(ranks: Ranks, board: str) -> None:
    same = request(board, "ann", 5, str(uuid.uuid4()))
    answers = await asyncio.gather(*(ranks.SubmitScore(same) for _ in range(64)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert not answers[0].HasField("previous_entry")


async def test_a_board_that_fails_does_not_fail_the_scores_of_others(ranks: Ranks, board: str, server: Redis) -> None:
    broken = await new_board(ranks)
    await server.set(keys(broken)[1], "no sorted set")
    for _ in range(5):
        calls = [ranks.SubmitScore(request(broken if n % 8 == 0 else board, f"p{n}", n)) for n in range(64)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for n, result in enumerate(results):
            if n % 8 == 0:
                assert isinstance(result, aio.AioRpcError)
                assert result.code() == grpc.StatusCode.INTERNAL
            else:
                assert isinstance(result, pb.SubmitScoreResponse)
                assert result.entry.score == n


async def test_callers_that_set_one_entry_at_once_are_told_each_others_scores(ranks: Ranks, board: str) -> None:
    answers = await asyncio.gather(*(ranks.SubmitScore(request(board, "ann", score)) for score in range(1, 65)))
    # As a chain: what was before one is what another has set.
    before = {answer.previous_entry.score for answer in answers}
    after = {answer.entry.score for answer in answers}
    last = (await ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id="ann"))).entry
    assert after == set(range(1, 65))
    assert before == after - {last.score} | {0}


def rows(answer: Any) -> list[list[Any]]:
    return [answer[at : at + 5] for at in range(0, len(answer), 5)]


def without_time(record: Any) -> list[bytes]:
    lines: list[bytes] = record.split(b"\n")
    return lines[:3] + lines[4:]


@pytest.mark.parametrize("seed", range(3))
async def test_the_script_does_what_that_of_0_2_0_does(ranks: Ranks, board: str, server: Redis, seed: int) -> None:
    """The same submissions to two boards, one of them by the script of 0.2.0: ranks, places, records, changes."""
    choice = random.Random(seed)
    twin = await new_board(ranks)
    names = [f"p{number}" for number in range(12)]

    def any_submissions() -> list[tuple[str, int, int, str]]:
        return [
            (
                choice.choice(names),
                choice.choice([0, 1, 2, -1, 2**53, -(2**53)]),
                choice.choice([0, 0, 0, 7, -(2**63), 2**63 - 1]),
                choice.choice(["", "", "", "x", "y\n4"]),
            )
            for _ in range(choice.choice([1, 1, 3, 10]))
        ]

    for _ in range(120):
        drawn = any_submissions()
        old = rows(await submit_as_0_2(server, twin, [submission(twin, *one) for one in drawn], brief=len(drawn) > 1))
        new = [submission(board, *one) for one in drawn]
        if len(new) == 1:
            answer = await ranks.SubmitScore(pb.SubmitScoreRequest(submission=new[0]))
            changed, rank, _, rank_before, before = old[0]
            assert (answer.changed, answer.entry.rank) == (changed == 1, rank)
            assert answer.previous_entry.rank == (rank_before if before else 0)
        else:
            batch = await ranks.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=new))
            # With the ranks when all of the batch is done.
            members: list[Any] = await server.zrange(keys(twin)[1], 0, -1, desc=True)
            standing = [member[28:].decode() for member in members]
            assert [result.entry.rank for result in batch.results] == [standing.index(one[0]) + 1 for one in drawn]
            assert [result.entry.score for result in batch.results] == [one[1] for one in drawn]
    (_, ranks_key, entries_key), (_, ranks_twin, entries_twin) = keys(board), keys(twin)
    assert await server.zrange(ranks_key, 0, -1, withscores=True) == await server.zrange(
        ranks_twin, 0, -1, withscores=True
    )
    records, of_0_2 = await server.hgetall(entries_key), await server.hgetall(entries_twin)
    assert {name: without_time(record) for name, record in records.items()} == {
        name: without_time(record) for name, record in of_0_2.items()
    }


async def test_what_is_recorded_is_what_0_2_0_records(ranks: Ranks, board: str, server: Redis) -> None:
    """So that either finds the other's records: while both run, and after going back."""
    await ranks.SubmitScore(request(board, "ann", 1))
    single = request(board, "ann", 5, str(uuid.uuid4()))
    single.submission.metadata["note"] = "kept"
    batch = pb.BatchSubmitScoresRequest(
        request_id=str(uuid.uuid4()),
        submissions=[
            submission(board, "ann", 5),
            submission(board, "bob", 6, 1, "left out"),
            submission(board, "ann", 7),
        ],
    )
    calls: list[tuple[AnyRequest, Message]] = [
        (single, await ranks.SubmitScore(single)),
        (batch, await ranks.BatchSubmitScores(batch)),
    ]
    created_by = await server.hget(keys(board)[0], "created_by")
    for asked, answered in calls:
        made_of, recorded, of = await server.eval(RECORDED, 1, f"board:{{{board}}}:request:{asked.request_id}")
        assert (made_of, of) == (fingerprint(asked), created_by)
        for changed, rank, record, _, before in rows(recorded):
            assert changed in (0, 1)
            assert rank > 0
            assert len(record.split(b"\n")) == 5
            assert len(before.split(b"\n")) in (1, 5)
        if isinstance(asked, pb.BatchSubmitScoresRequest):
            assert all(record.endswith(b"\n") and not before for _, _, record, _, before in rows(recorded))
        # What 0.2.0 answers to the repeat is the same record.
        repeat = await submit_as_0_2(
            server, board, submissions(asked), request_id=asked.request_id, fingerprint=fingerprint(asked)
        )
        assert repeat == recorded
        # And the repeat here is the first answer.
        again: Message = (
            await ranks.BatchSubmitScores(asked)
            if isinstance(asked, pb.BatchSubmitScoresRequest)
            else await ranks.SubmitScore(asked)
        )
        assert again.SerializeToString(deterministic=True) == answered.SerializeToString(deterministic=True)


async def test_what_0_2_0_recorded_is_answered(ranks: Ranks, board: str, server: Redis) -> None:
    await ranks.SubmitScore(request(board, "ann", 1))
    single = request(board, "ann", 5, str(uuid.uuid4()))
    batch = pb.BatchSubmitScoresRequest(
        request_id=str(uuid.uuid4()), submissions=[submission(board, "ann", 5), submission(board, "bob", 6, 1, "x")]
    )
    old = []
    both: list[tuple[AnyRequest, bool]] = [(single, False), (batch, True)]
    for asked, brief in both:
        answer = await submit_as_0_2(
            server, board, submissions(asked), request_id=asked.request_id,
            fingerprint=fingerprint(asked), brief=brief,
        )  # fmt: skip
        old.append(rows(answer))
    await ranks.SubmitScore(request(board, "ann", 100))
    answered = await ranks.SubmitScore(single)
    [[changed, rank, record, rank_before, _]] = old[0]
    assert (answered.changed, answered.entry.rank, answered.entry.score) == (changed == 1, rank, 5)
    assert (answered.previous_entry.rank, answered.previous_entry.score) == (rank_before, 1)
    assert answered.entry.updated_at.ToMicroseconds() == int(record.split(b"\n")[3])
    results = (await ranks.BatchSubmitScores(batch)).results
    assert [(result.entry.rank, result.entry.updated_at.ToMicroseconds()) for result in results] == [
        (rank, int(record.split(b"\n")[3])) for _, rank, record, _, _ in old[1]
    ]
    assert [(result.entry.entry_id, result.entry.score, result.entry.subscore) for result in results] == [
        ("ann", 5, 0), ("bob", 6, 1),
    ]  # fmt: skip
    single.submission.score = 6
    assert (await failure(ranks.SubmitScore(single))).reason == "REQUEST_ID_REUSED"
