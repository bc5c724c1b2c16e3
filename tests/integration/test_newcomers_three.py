"""The three things that every newcomer to this domain tries first."""

import asyncio
import uuid

import pytest
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from services.profile.wallets import sql_store
from services.profile.wallets.types import Wallet
from shared.stores.postgres import Postgres, Transaction
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.queries import Query
from tests.conftest import Players
from tests.support.service import Service

QUERIES = sql_store.QUERIES.of(POSTGRESQL)


async def test_a_new_player_has_mmr_1000_and_level_1(profile: Service) -> None:
    request = profile_pb2.CreatePlayerRequest(username="Newcomer", email="newcomer@example.com")
    player = (await ProfileServiceStub(profile.channel).CreatePlayer(request)).player
    assert (player.mmr, player.level, player.xp, player.coins) == (1000, 1, 0, 0)


async def test_scores_1000_2000_1500_rank_3_1_2(leaderboard: Service) -> None:
    stub = LeaderboardServiceStub(leaderboard.channel)
    board = "newcomers"
    await stub.CreateLeaderboard(
        leaderboard_pb2.CreateLeaderboardRequest(leaderboard=leaderboard_pb2.Leaderboard(leaderboard_id=board))
    )
    for name, score in (("first", 1000), ("second", 2000), ("third", 1500)):
        await stub.SubmitScore(
            leaderboard_pb2.SubmitScoreRequest(
                submission=leaderboard_pb2.ScoreSubmission(leaderboard_id=board, entry_id=name, score=score)
            )
        )
    ranks = [
        (await stub.GetEntry(leaderboard_pb2.GetEntryRequest(leaderboard_id=board, entry_id=name))).entry.rank
        for name in ("first", "second", "third")
    ]
    assert ranks == [3, 1, 2]


async def test_a_failure_in_the_middle_of_a_transaction_leaves_the_coins_as_they_were(
    database: Postgres, players: Players
) -> None:
    [player_id] = await players(1)
    give = Query("give", "update", "players", "UPDATE players SET coins = coins + 100 WHERE player_id = %(player_id)s")
    params = {"player_id": uuid.UUID(player_id)}

    async def half_done(transaction: Transaction) -> None:
        assert await transaction.execute(give, params) == 1
        [inside] = await transaction.fetch(QUERIES["get_wallet"], params, Wallet)
        assert inside.coins == 100
        raise asyncio.InvalidStateError("the power goes out")

    with pytest.raises(asyncio.InvalidStateError):
        await database.transaction(half_done, repeatable=False)
    [wallet] = await database.fetch(QUERIES["get_wallet"], params, Wallet)
    assert wallet.coins == 0
