"""Ranges of scores, in which entries are counted.

A bucket is a score near 0, and farther away a sixteenth of an octave, as in a histogram of HdrHistogram's kind: 32 to
33, 64 to 67, … So there are few for any range of scores, and none is wider than a sixteenth of its scores.
"""

from services.leaderboard.boards.dynamodb.positions import score_key

_STEPS = 16


def bucket_of(score: int) -> int:
    """The bucket of a score: the higher the score, the higher the bucket."""
    return _of(score) if score >= 0 else -_of(-score)


def first_key(bucket: int) -> str:
    """What no key of the bucket sorts before."""
    return score_key(_highest(bucket) if bucket >= 0 else -_lowest(-bucket))


def end_key(bucket: int) -> str:
    """What every key of the bucket sorts before, and no key of a lower one."""
    return first_key(bucket - 1)


def _of(size: int) -> int:
    octave = max(0, size.bit_length() - _STEPS.bit_length())
    return octave * _STEPS + (size >> octave)


def _lowest(bucket: int) -> int:
    """The lowest of the sizes in a bucket that is not negative."""
    if bucket < 2 * _STEPS:
        return bucket
    octave = bucket // _STEPS - 1
    return bucket - octave * _STEPS << octave


def _highest(bucket: int) -> int:
    return _lowest(bucket + 1) - 1
