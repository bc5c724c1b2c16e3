"""What every store of boards refuses with."""

from shared.contract.errors import AlreadyExists, NotFound


def leaderboard_exists(leaderboard_id: str) -> AlreadyExists:
    """The error for a leaderboard_id that a board has."""
    message = "a leaderboard with this leaderboard_id exists already"
    return AlreadyExists("LEADERBOARD_EXISTS", message, leaderboard_id=leaderboard_id)


def leaderboard_not_found(leaderboard_id: str) -> NotFound:
    """The error for a leaderboard_id that no board has."""
    message = "no leaderboard has this leaderboard_id; create it first"
    return NotFound("LEADERBOARD_NOT_FOUND", message, leaderboard_id=leaderboard_id)


def entry_not_found(leaderboard_id: str, entry_id: str) -> NotFound:
    """The error for an entry_id that a board does not have."""
    message = "the leaderboard has no entry with this entry_id; submit a score for it first"
    return NotFound("ENTRY_NOT_FOUND", message, leaderboard_id=leaderboard_id, entry_id=entry_id)
