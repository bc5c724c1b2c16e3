"""Fills the stores for the suite: players and items in bulk, straight into the tables; boards through the service.

Everything has a number, and its id follows from the number: so pgbench can pick a player by a random number too, with
the function `bench_player` that this makes in both databases.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
from grpc import aio
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub

if TYPE_CHECKING:
    # Only in the stubs' types.
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub

BOARD = "bench"
_ID_PREFIX = "5a5e9014-0000-7000-8000-"
_BATCH = 1000
_AT_ONCE = 8
_BOUND_S = 60
_TYPES = 4
_COINS = _QUANTITY = 1_000_000_000

# An immutable SQL function of one expression costs nothing: the planner takes its body in.
_BENCH_PLAYER = f"""
CREATE FUNCTION bench_player(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{_ID_PREFIX}' || lpad(to_hex(number), 12, '0'))::uuid
"""
_PLAYERS = """
INSERT INTO players (player_id, username, email, mmr, coins, attributes)
SELECT bench_player(number), 'bench' || number, 'bench' || number || '@example.com', 500 + (random() * 2000)::integer,
       %(coins)s, '{"title": "challenger", "region": "eu", "season": 6}'
FROM generate_series(0, %(players)s - 1) AS number
"""
_KNOWN = (
    "INSERT INTO known_players (player_id) SELECT bench_player(number) FROM generate_series(0, %(players)s - 1) number"
)
_ITEMS = """
INSERT INTO inventory (player_id, item_type, item_id, quantity)
SELECT bench_player(number), item_type, item_id, %(quantity)s
FROM generate_series(0, %(players)s - 1) AS number,
     (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]) AS item (item_type, item_id) ORDER BY 1, 2) AS item
"""


def player_id(number: int) -> str:
    """The id of a player, and of the entry with the same number."""
    return f"{_ID_PREFIX}{number:012x}"


def item_keys(count: int) -> list[tuple[str, str]]:
    """item_type and item_id of what every player has."""
    return [(f"type-{number % _TYPES}", f"item-{number:04}") for number in range(count)]


async def players(url: str, count: int) -> None:
    """So many players with coins, in profile's database."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute(_BENCH_PLAYER)
        await database.execute(_PLAYERS, {"players": count, "coins": _COINS})
        await _settle(database)


async def items(url: str, count: int, each: int) -> None:
    """So many items for each player, in inventory's database, which then knows the players too."""
    types, ids = zip(*item_keys(each), strict=True)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute(_BENCH_PLAYER)
        await database.execute(_KNOWN, {"players": count})
        values = {"players": count, "quantity": _QUANTITY, "types": list(types), "ids": list(ids)}
        await database.execute(_ITEMS, values)
        await _settle(database)


async def board(target: str, leaderboard_id: str, entries: int) -> None:
    """A new board with so many entries, at a leaderboard service."""
    async with aio.insecure_channel(target) as channel:
        stub: LeaderboardServiceAsyncStub = LeaderboardServiceStub(channel)
        made = leaderboard_pb2.Leaderboard(leaderboard_id=leaderboard_id)
        await stub.CreateLeaderboard(
            leaderboard_pb2.CreateLeaderboardRequest(leaderboard=made), timeout=_BOUND_S, wait_for_ready=True
        )
        firsts = iter(range(0, entries, _BATCH))
        await asyncio.gather(*(_submit(stub, leaderboard_id, firsts, entries) for _ in range(_AT_ONCE)))


async def _submit(
    stub: "LeaderboardServiceAsyncStub", leaderboard_id: str, firsts: Iterator[int], entries: int
) -> None:
    for first in firsts:
        submissions = [
            leaderboard_pb2.ScoreSubmission(
                leaderboard_id=leaderboard_id, entry_id=player_id(number), score=random.randrange(1_000_000)
            )
            for number in range(first, min(first + _BATCH, entries))
        ]
        request = leaderboard_pb2.BatchSubmitScoresRequest(submissions=submissions)
        await stub.BatchSubmitScores(request, timeout=_BOUND_S)


async def _settle(database: psycopg.AsyncConnection) -> None:
    # What a server does some minutes after so many rows have come in, done now: it would fall into the measured time.
    await database.execute("VACUUM ANALYZE")
    await database.execute("CHECKPOINT")
