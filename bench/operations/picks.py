"""Which of the seeded ids the requests of an operation name."""

import random
from collections.abc import Sequence

MOST = 20_000


def some(ids: Sequence[str], most: int = MOST) -> list[str]:
    """Ids in random order, each of them once."""
    return random.sample(ids, min(most, len(ids)))


def groups(ids: Sequence[str], size: int, most: int = MOST) -> list[list[str]]:
    """So many ids a group, no one twice in a group. Raises ValueError when there are fewer than one group needs."""
    if len(ids) < size:
        raise ValueError(f"{len(ids)} ids are too few for groups of {size}")
    return [random.sample(ids, size) for _ in range(max(1, min(most, len(ids)) // size))]
