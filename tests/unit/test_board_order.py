"""Boards in DynamoDB: text that sorts as entries do, and ranges of scores that leave no gap."""

import itertools
import random

import pytest

from services.leaderboard.boards.dynamodb import buckets
from services.leaderboard.boards.dynamodb.positions import (
    END,
    Clock,
    Position,
    behind,
    entry_id_of,
    microseconds,
    score_key,
)
from services.leaderboard.boards.types import LARGEST_SCORE, POSITION, BoardPosition

SCORES = sorted(
    {
        sign * score
        for sign in (1, -1)
        for power in range(54)
        for score in (2**power - 1, 2**power, min(2**power + 1, LARGEST_SCORE), 2**power * 17 // 16)
        if score <= LARGEST_SCORE
    }
)
SUBSCORES = (-(2**63), -1, 0, 1, 2**63 - 1)


def test_keys_sort_as_entries_stand() -> None:
    positions = [
        Position(score, subscore, order)
        for score in reversed(SCORES)
        for subscore in reversed(SUBSCORES)
        for order in (1, 2, 2**63)
    ]
    keys = [position.key() for position in positions]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 47 and key < END for key in keys)
    assert [Position.of(key + "ann") for key in keys] == positions
    assert entry_id_of(keys[0] + "ann") == "ann"


def test_behind_a_position_is_between_it_and_the_next_one() -> None:
    positions = [Position(7, subscore, order) for subscore in reversed(SUBSCORES) for order in (5, 6, 7)]
    for position, following in itertools.pairwise(positions):
        page = BoardPosition(7, position.place())
        assert POSITION.validate_json(POSITION.dump_json(page)) == page
        assert position.key() + "\U0010ffff" < behind(page) <= following.key()


def test_a_place_of_valkey_leads_to_somewhere_near() -> None:
    assert score_key(7) < behind(BoardPosition(7, f"{2**63:016x}{2**48 - 1:012x}")) < score_key(6)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_in_the_one_bucket_whose_keys_surround_it(score: int) -> None:
    bucket = buckets.bucket_of(score)
    assert buckets.first_key(bucket) <= Position(score, 2**63 - 1, 0).key()
    assert Position(score, -(2**63), 2**64 - 1).key() < buckets.end_key(bucket)
    if score < LARGEST_SCORE:
        assert buckets.bucket_of(score + 1) in (bucket, bucket + 1)


def test_buckets_are_few_and_narrow() -> None:
    assert buckets.bucket_of(LARGEST_SCORE) == -buckets.bucket_of(-LARGEST_SCORE) == 800
    # The heads of a board of scores up to a million stay small.
    assert buckets.bucket_of(10**6) < 300
    for _ in range(1000):
        score = random.randrange(32, LARGEST_SCORE)
        assert buckets.bucket_of(score + score // 16 + 1) > buckets.bucket_of(score)


def test_a_clock_only_goes_forward() -> None:
    clock = Clock()
    drawn = [clock.next() for _ in range(1000)]
    ahead = clock.next(after=drawn[-1] + 2**40)
    assert ahead > drawn[-1] + 2**40
    drawn += [ahead, clock.next()]
    assert drawn == sorted(set(drawn))
    assert microseconds(drawn[0]) * 4096 <= drawn[0] < 2**63
