"""What the leaderboard service knows of a board."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """One board. `created_at_us` is in microseconds since 1970."""

    leaderboard_id: str
    entry_count: int
    created_at_us: int
