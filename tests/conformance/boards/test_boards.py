"""Boards: exact scores, ranks in the right order, pages without gaps, submissions that count once."""

import asyncio
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from tests.conformance.database import Database
from tests.support.boards import Ranks
from tests.support.errors import failure, failure_in

LARGEST = 2**53


async def submit(ranks: Ranks, board: str, entry_id: str, score: int, subscore: int = 0) -> pb.SubmitScoreResponse:
    request = pb.SubmitScoreRequest(
        submission=pb.ScoreSubmission(leaderboard_id=board, entry_id=entry_id, score=score, subscore=subscore)
    )
    return await ranks.SubmitScore(request)


async def submit_all(ranks: Ranks, board: str, scores: Iterable[tuple[str, int]]) -> None:
    submissions = [pb.ScoreSubmission(leaderboard_id=board, entry_id=name, score=score) for name, score in scores]
    await ranks.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=submissions))


async def top(ranks: Ranks, board: str) -> list[tuple[str, int, int]]:
    answer = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_size=1000))
    return [(entry.entry_id, entry.score, entry.rank) for entry in answer.entries]


def struct(**values: str) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def test_scores_1000_2000_1500_rank_3_1_2(ranks: Ranks, board: str) -> None:
    for name, score in (("ann", 1000), ("bob", 2000), ("cid", 1500)):
        await submit(ranks, board, name, score)
    assert await top(ranks, board) == [("bob", 2000, 1), ("cid", 1500, 2), ("ann", 1000, 3)]


async def test_of_equal_scores_the_higher_subscore_leads_then_who_reached_it_first(ranks: Ranks, board: str) -> None:
    for name, subscore in (("low", -(2**63)), ("zero", 0), ("late", 7), ("high", 2**63 - 1), ("later", 7)):
        await submit(ranks, board, name, 100, subscore)
    order = ["high", "late", "later", "zero", "low"]
    assert [name for name, _, _ in await top(ranks, board)] == order
    # The same again keeps the place; another score and back loses it.
    assert not (await submit(ranks, board, "late", 100, 7)).changed
    assert [name for name, _, _ in await top(ranks, board)] == order
    await submit(ranks, board, "late", 99, 7)
    assert (await submit(ranks, board, "late", 100, 7)).changed
    assert [name for name, _, _ in await top(ranks, board)] == ["high", "later", "late", "zero", "low"]


async def test_scores_are_exact_up_to_2_to_the_53(ranks: Ranks, board: str) -> None:
    scores = [LARGEST, LARGEST - 1, LARGEST - 2, 123456789012345, 0, -1, -LARGEST + 1, -LARGEST]
    await submit_all(ranks, board, reversed([(str(score), score) for score in scores]))
    assert await top(ranks, board) == [(str(score), score, rank) for rank, score in enumerate(scores, 1)]
    for score in scores:
        entry = (await ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id=str(score)))).entry
        assert entry.score == score


@pytest.mark.parametrize("score", [LARGEST + 1, -LARGEST - 1, 2**63 - 1, -(2**63)])
async def test_a_score_that_would_not_be_exact_is_refused(ranks: Ranks, board: str, score: int) -> None:
    failed = await failure(submit(ranks, board, "ann", score))
    assert (failed.code, failed.reason, failed.field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_INVALID",
        "submission.score",
    )
    assert await top(ranks, board) == []


async def test_a_submission_tells_what_was_before(ranks: Ranks, board: str) -> None:
    first = await submit(ranks, board, "ann", 10)
    assert first.changed
    assert not first.HasField("previous_entry")
    await submit(ranks, board, "bob", 20)
    second = await submit(ranks, board, "ann", 30)
    assert (second.entry.score, second.entry.rank) == (30, 1)
    assert (second.previous_entry.score, second.previous_entry.rank) == (10, 2)
    assert second.previous_entry.updated_at == first.entry.updated_at
    again = await submit(ranks, board, "ann", 30)
    assert not again.changed
    assert again.entry == again.previous_entry == second.entry


async def test_metadata_is_replaced_only_when_given_and_keeps_the_place(ranks: Ranks, board: str) -> None:
    request = pb.SubmitScoreRequest(
        submission=pb.ScoreSubmission(
            leaderboard_id=board, entry_id="ann", score=5, metadata=struct(car="röt\n1 \u2028")
        )
    )
    first = (await ranks.SubmitScore(request)).entry
    assert first.metadata == struct(car="röt\n1 \u2028")
    assert list((await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board))).entries) == [first]
    await submit(ranks, board, "bob", 5)
    assert (await submit(ranks, board, "ann", 5)).entry == first
    request.submission.metadata.CopyFrom(struct(car="blue"))
    replaced = await ranks.SubmitScore(request)
    assert not replaced.changed
    assert (replaced.entry.metadata, replaced.entry.rank) == (struct(car="blue"), 1)
    assert replaced.entry.updated_at.ToNanoseconds() > first.updated_at.ToNanoseconds()
    assert (await submit(ranks, board, "ann", 6)).entry.metadata == struct(car="blue")
    request.submission.metadata.CopyFrom(struct(note="x" * 4096))
    assert (await failure(ranks.SubmitScore(request))).field == "submission.metadata"


async def test_a_board_is_made_read_and_deleted(ranks: Ranks, board: str) -> None:
    failed = await failure(
        ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)))
    )
    assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, "LEADERBOARD_EXISTS")
    await submit_all(ranks, board, [("ann", 1), ("bob", 2)])
    read = (await ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=board))).leaderboard
    assert (read.leaderboard_id, read.entry_count) == (board, 2)
    await ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=board))
    assert (await failure(top(ranks, board))).reason == "LEADERBOARD_NOT_FOUND"
    await ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=board)))
    assert await top(ranks, board) == []
    failed = await failure(ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id="ann")))
    assert failed.reason == "ENTRY_NOT_FOUND"


async def test_a_board_that_does_not_exist(ranks: Ranks) -> None:
    nowhere = "nowhere"
    for call in (
        ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=nowhere)),
        ranks.DeleteLeaderboard(pb.DeleteLeaderboardRequest(leaderboard_id=nowhere)),
        ranks.SubmitScore(
            pb.SubmitScoreRequest(submission=pb.ScoreSubmission(leaderboard_id=nowhere, entry_id="ann", score=1))
        ),
        ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=nowhere, entry_id="ann")),
        ranks.ListTop(pb.ListTopRequest(leaderboard_id=nowhere)),
        ranks.ListAround(pb.ListAroundRequest(leaderboard_id=nowhere, entry_id="ann")),
        ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=nowhere, entry_id="ann")),
    ):
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "LEADERBOARD_NOT_FOUND")
        assert failed.metadata == {"leaderboard_id": nowhere}


async def test_an_entry_that_does_not_exist(ranks: Ranks, board: str) -> None:
    await submit(ranks, board, "ann", 1)
    await ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id="ann"))
    for call in (
        ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id="ann")),
        ranks.ListAround(pb.ListAroundRequest(leaderboard_id=board, entry_id="ann")),
        ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id="ann")),
    ):
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ENTRY_NOT_FOUND")


@pytest.mark.parametrize("entry_id", ["", "a" * 65, "é" * 33, "nul\0", "line\n", "\x7f"])
async def test_an_entry_id_has_1_to_64_bytes_and_no_control_characters(ranks: Ranks, board: str, entry_id: str) -> None:
    assert (await failure(submit(ranks, board, entry_id, 1))).field == "submission.entry_id"


@pytest.mark.parametrize("entry_id", ["é" * 32, " ", "a b", "'; DROP TABLE players; --", "{x}", "🦔"])
async def test_an_entry_id_is_any_text(ranks: Ranks, board: str, entry_id: str) -> None:
    await submit(ranks, board, entry_id, 1)
    assert await top(ranks, board) == [(entry_id, 1, 1)]


@pytest.mark.parametrize("leaderboard_id", ["", "A", "a" * 65, "a/b", "{a}", "a\n"])
async def test_a_leaderboard_id_has_1_to_64_of_few_characters(ranks: Ranks, leaderboard_id: str) -> None:
    failed = await failure(
        ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=leaderboard_id)))
    )
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "leaderboard.leaderboard_id")


async def test_a_repeated_request_is_answered_alike_and_does_not_put_an_older_score_back(
    ranks: Ranks, board: str
) -> None:
    request = pb.SubmitScoreRequest(
        request_id=str(uuid.uuid4()),
        submission=pb.ScoreSubmission(leaderboard_id=board, entry_id="ann", score=1, metadata=struct(car="red")),
    )
    answers = await asyncio.gather(*(ranks.SubmitScore(request) for _ in range(8)))
    await submit(ranks, board, "ann", 2)
    answers.append(await ranks.SubmitScore(request))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await top(ranks, board) == [("ann", 2, 1)]
    request.submission.score = 3
    failed = await failure(ranks.SubmitScore(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    request.request_id = "not a uuid"
    assert (await failure(ranks.SubmitScore(request))).field == "request_id"
    assert await top(ranks, board) == [("ann", 2, 1)]


async def test_a_repeated_batch_over_two_boards_is_answered_alike(ranks: Ranks, board: str) -> None:
    other = f"{board}-2"
    await ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=other)))
    scores = [(board, "ann", 1), (other, "ann", 2), (board, "bob", 3), (other, "", 4)]
    submissions = [pb.ScoreSubmission(leaderboard_id=i, entry_id=name, score=score) for i, name, score in scores]
    request = pb.BatchSubmitScoresRequest(submissions=submissions, request_id=str(uuid.uuid4()))
    first = await ranks.BatchSubmitScores(request)
    assert [result.entry.score for result in first.results] == [1, 2, 3, 0]
    await submit(ranks, board, "ann", 10)
    await submit(ranks, other, "ann", 20)
    assert await ranks.BatchSubmitScores(request) == first
    # Refused for one board, it changes none, neither a known one nor one it has not touched before.
    third = f"{board}-3"
    await ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=third)))
    request.submissions.add(leaderboard_id=third, entry_id="cid", score=5)
    assert (await failure(ranks.BatchSubmitScores(request))).reason == "REQUEST_ID_REUSED"
    assert await top(ranks, board) == [("ann", 10, 1), ("bob", 3, 2)]
    assert (await top(ranks, other), await top(ranks, third)) == ([("ann", 20, 1)], [])


async def test_each_submission_of_a_batch_succeeds_or_fails_apart(ranks: Ranks, board: str) -> None:
    submissions = [
        pb.ScoreSubmission(leaderboard_id=board, entry_id="ann", score=1),
        pb.ScoreSubmission(leaderboard_id="nowhere", entry_id="ann", score=1),
        pb.ScoreSubmission(leaderboard_id=board, entry_id="bob", score=LARGEST + 1),
        pb.ScoreSubmission(leaderboard_id=board, entry_id="", score=1),
        pb.ScoreSubmission(leaderboard_id=board, entry_id="cid", score=1, metadata=struct(note="x" * 5000)),
        pb.ScoreSubmission(leaderboard_id=board, entry_id="ann", score=2),
    ]
    answer = await ranks.BatchSubmitScores(pb.BatchSubmitScoresRequest(submissions=submissions))
    assert [result.WhichOneof("result") for result in answer.results] == ["entry", *["failure"] * 4, "entry"]
    failures = [failure_in(result.failure) for result in answer.results[1:5]]
    # As a call of its own, but for where the field stands.
    alone = [
        await failure(ranks.SubmitScore(pb.SubmitScoreRequest(submission=submission)))
        for submission in submissions[1:5]
    ]
    for place, one in enumerate(alone, start=1):
        if one.field:
            path = one.field.replace("submission.", f"submissions[{place}].")
            message = one.message.replace(one.field, path)
            alone[place - 1] = replace(one, field=path, message=message, metadata={"field": path})
    assert failures == alone
    assert [failed.field for failed in failures] == [
        "", "submissions[2].score", "submissions[3].entry_id", "submissions[4].metadata",
    ]  # fmt: skip
    assert [answer.results[at].entry.score for at in (0, 5)] == [1, 2]
    assert await top(ranks, board) == [("ann", 2, 1)]


async def test_a_batch_holds_1_to_1000_submissions(ranks: Ranks, board: str) -> None:
    assert (await failure(submit_all(ranks, board, []))).field == "submissions"
    assert (await failure(submit_all(ranks, board, [("ann", 1)] * 1001))).field == "submissions"
    await submit_all(ranks, board, [(f"p{number}", number) for number in range(1000)])
    assert [name for name, _, _ in await top(ranks, board)] == [f"p{number}" for number in reversed(range(1000))]


async def test_pages_neither_skip_nor_repeat_while_entries_move(ranks: Ranks, board: str) -> None:
    names = [f"p{number:02}" for number in range(40)]
    await submit_all(ranks, board, [(name, number // 30) for number, name in enumerate(reversed(names))])
    order = [name for name, _, _ in await top(ranks, board)]
    request = pb.ListTopRequest(leaderboard_id=board, page_size=7)
    seen: list[str] = []
    moved: set[str] = set()
    while True:
        page = await ranks.ListTop(request)
        seen += [entry.entry_id for entry in page.entries]
        if not page.next_page_token:
            break
        # The last of each page, at which the next one starts, goes or moves to either end.
        last = page.entries[-1].entry_id
        moved.add(last)
        if len(moved) % 3 == 0:
            await ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id=last))
        else:
            await submit(ranks, board, last, 100 if len(moved) % 3 == 1 else -100)
        request.page_token = page.next_page_token
    assert [name for name in seen if name not in moved] == [name for name in order if name not in moved]


async def test_page_sizes_and_tokens(ranks: Ranks, board: str) -> None:
    await submit_all(ranks, board, [(f"p{number}", number) for number in range(101)])
    page = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board))
    assert len(page.entries) == 100
    last = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_token=page.next_page_token))
    assert [(entry.entry_id, entry.rank) for entry in last.entries] == [("p0", 101)]
    assert not last.next_page_token
    for size in (101, 10**9):
        whole = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_size=size))
        assert (len(whole.entries), whole.next_page_token) == (101, "")
    failed = await failure(ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_size=-1)))
    assert failed.field == "page_size"
    other = f"{board}-2"
    await ranks.CreateLeaderboard(pb.CreateLeaderboardRequest(leaderboard=pb.Leaderboard(leaderboard_id=other)))
    for token, of in (("forged", board), (page.next_page_token, other)):
        failed = await failure(ranks.ListTop(pb.ListTopRequest(leaderboard_id=of, page_token=token)))
        assert (failed.reason, failed.field) == ("FIELD_INVALID", "page_token")


async def test_around_an_entry_the_window_shifts_at_both_ends(ranks: Ranks, board: str) -> None:
    await submit_all(ranks, board, [(f"p{rank}", -rank) for rank in range(1, 301)])

    async def around(rank: int, reach: int | None) -> list[int]:
        request = pb.ListAroundRequest(leaderboard_id=board, entry_id=f"p{rank}", range=reach)
        entries = (await ranks.ListAround(request)).entries
        assert all(entry.entry_id == f"p{entry.rank}" for entry in entries)
        return [entry.rank for entry in entries]

    assert await around(50, None) == list(range(45, 56))
    assert await around(50, 0) == [50]
    assert await around(1, 2) == await around(3, 2) == [1, 2, 3, 4, 5]
    assert await around(300, 2) == await around(298, 2) == [296, 297, 298, 299, 300]
    assert await around(150, 10**6) == list(range(50, 251))
    failed = await failure(around(1, -1))
    assert (failed.reason, failed.field) == ("FIELD_INVALID", "range")


@dataclass
class Model:
    """The same board as a list that is sorted anew for each question."""

    entries: dict[str, tuple[int, int, int]]
    changes: int = 0

    def submit(self, entry_id: str, score: int, subscore: int) -> bool:
        before = self.entries.get(entry_id)
        if before and before[:2] == (score, subscore):
            return False
        self.changes += 1
        self.entries[entry_id] = (score, subscore, -self.changes)
        return True

    def order(self) -> list[str]:
        return sorted(self.entries, key=self.entries.__getitem__, reverse=True)

    def after(self, position: tuple[int, int, int], size: int) -> list[str]:
        return [entry_id for entry_id in self.order() if self.entries[entry_id] < position][:size]

    def around(self, entry_id: str, reach: int) -> list[str]:
        order = self.order()
        first = max(0, min(order.index(entry_id) - reach, len(order) - 2 * reach - 1))
        return order[first : first + 2 * reach + 1]

    def rows(self, entry_ids: Iterable[str]) -> list[tuple[str, int, int, int]]:
        """Each with score, subscore and rank."""
        ranks = {entry_id: rank for rank, entry_id in enumerate(self.order(), 1)}
        return [(entry_id, *self.entries[entry_id][:2], ranks[entry_id]) for entry_id in entry_ids]


def rows(entries: Iterable[pb.Entry]) -> list[tuple[str, int, int, int]]:
    return [(entry.entry_id, entry.score, entry.subscore, entry.rank) for entry in entries]


async def test_thousands_of_random_operations_agree_with_a_model(ranks: Ranks, board: str, database: Database) -> None:
    choice = random.Random(20261122)
    model = Model({})
    names = [f"player {number}" for number in range(60)]
    scores = [0, 1, 2, -1, LARGEST, -LARGEST]
    token, position = "", (LARGEST + 1, 0, 0)
    for _ in range(400 if database.slow else 2000):
        name = choice.choice(names)
        match choice.choices(["submit", "remove", "page", "around", "get"], [50, 10, 20, 10, 10])[0]:
            case "submit":
                score, subscore = choice.choice(scores), choice.choice([0, 0, 1, -(2**63)])
                answer = await submit(ranks, board, name, score, subscore)
                assert answer.changed == model.submit(name, score, subscore)
                assert rows([answer.entry]) == model.rows([name])
            case "remove" if name in model.entries:
                await ranks.RemoveEntry(pb.RemoveEntryRequest(leaderboard_id=board, entry_id=name))
                del model.entries[name]
            case "page":
                size = choice.randint(1, 12)
                request = pb.ListTopRequest(leaderboard_id=board, page_size=size, page_token=token)
                page = await ranks.ListTop(request)
                expected = model.after(position, size)
                assert rows(page.entries) == model.rows(expected)
                token = page.next_page_token
                assert bool(token) == (len(model.after(position, size + 1)) > size)
                position = model.entries[expected[-1]] if token else (LARGEST + 1, 0, 0)
            case "around" if name in model.entries:
                reach = choice.randint(0, 40)
                around = pb.ListAroundRequest(leaderboard_id=board, entry_id=name, range=reach)
                expected = model.around(name, reach)
                assert rows((await ranks.ListAround(around)).entries) == model.rows(expected)
            case "get" if name in model.entries:
                got = await ranks.GetEntry(pb.GetEntryRequest(leaderboard_id=board, entry_id=name))
                assert rows([got.entry]) == model.rows([name])
    assert len(await top(ranks, board)) == len(model.entries)
