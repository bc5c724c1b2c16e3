"""What was answered to a request_id on a board."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from services.leaderboard.boards.dynamodb.items import Board
from services.leaderboard.boards.types import Entry, Placed, Submitted
from shared.contract.errors import RequestIdReused
from shared.stores.dynamodb import EXPIRES, Item, Key, Put
from shared.stores.requests.key import RequestKey

# The generation in the record of a request that found no board: its refusal counts on every board.
_NO_BOARD = "-"
_FREE = f"attribute_not_exists(pk) OR {EXPIRES} < :now"


class Records:
    """The records of requests, kept for so many seconds. DynamoDB deletes them some time later, so whoever reads one
    looks whether it still counts."""

    def __init__(self, kept_s: int) -> None:
        self._kept_s = kept_s

    def answer(self, board: Board | None, key: RequestKey, found: Item | None) -> str | None:
        """What is recorded, as JSON: "" for a refusal because there was no board; None where nothing is, or nothing
        that counts on this board. Raises RequestIdReused."""
        if found is None or int(found[EXPIRES]) < time.time():
            return None
        generation = found["g"]
        if generation != _NO_BOARD and (board is None or generation != board.generation):
            return None
        if found["f"] != _fingerprint(key):
            raise RequestIdReused(key.request_id)
        return str(found["a"])

    def record(self, board: Board, key: RequestKey, answer: str) -> Put:
        """Records an answer, unless there is one that counts."""
        free = f"{_FREE} OR (g <> :none AND g <> :g)"
        return self._put(board.leaderboard_id, key, answer, board.generation, free, {":g": board.generation})

    def refusal(self, leaderboard_id: str, key: RequestKey) -> Put:
        """Records that there is no board, unless that is recorded."""
        return self._put(leaderboard_id, key, "", _NO_BOARD, f"{_FREE} OR g <> :none", {})

    def _put(
        self, leaderboard_id: str, key: RequestKey, answer: str, generation: str, free: str, params: Mapping[str, str]
    ) -> Put:
        now = int(time.time())
        item: Item = {"f": _fingerprint(key), "a": answer, "g": generation, EXPIRES: now + self._kept_s}
        return Put(record_key(leaderboard_id, key), free, {":now": now, ":none": _NO_BOARD, **params}, item=item)


def record_key(leaderboard_id: str, key: RequestKey) -> Key:
    """Where the record of a request on a board lies."""
    return Key(f"request#{leaderboard_id}#{key.request_id}", "request")


def submitted_out(submitted: Submitted) -> str:
    """An answer as its record has it."""
    return to_json([submitted.changed, submitted.entry, submitted.previous]).decode()


def submitted_in(answer: str) -> Submitted:
    """An answer from its record."""
    changed, entry, previous = from_json(answer)
    return Submitted(Entry(*entry), Entry(*previous) if previous else None, changed)


def placed_out(placed: Sequence[Placed]) -> str:
    """The answer to a board's part of a batch, likewise."""
    return to_json(placed).decode()


def placed_in(answer: str) -> list[Placed]:
    """Likewise."""
    rows: list[Any] = from_json(answer)
    return [Placed(*row) for row in rows]


def _fingerprint(key: RequestKey) -> str:
    return f"{key.method}:{key.fingerprint.hex()}"
