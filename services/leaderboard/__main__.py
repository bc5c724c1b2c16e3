"""The leaderboard service: settings, store, servicer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from savepoint.leaderboard.v1.leaderboard_pb2_grpc import add_LeaderboardServiceServicer_to_server

from services.leaderboard.ranking import Ranking
from services.leaderboard.servicer import LeaderboardServicer
from services.leaderboard.settings import LeaderboardSettings
from shared import cli, valkey
from shared.service import Hosted, Runtime

# The largest batch takes some 10 ms in the store; who waits longer waits for a server that is gone.
ANSWER_TIMEOUT_S = 2


@asynccontextmanager
async def build(runtime: Runtime[LeaderboardSettings]) -> AsyncIterator[Hosted]:
    """The service, its store open for as long as the context is."""
    settings = runtime.settings
    async with valkey.connect(
        settings.redis_url,
        runtime.store_telemetry(valkey.STORE),
        answer_timeout_s=ANSWER_TIMEOUT_S,
        start_timeout_s=settings.store_start_timeout_s,
    ) as server:
        yield Hosted(
            servicers=[
                (
                    add_LeaderboardServiceServicer_to_server,
                    LeaderboardServicer(Ranking(server)),
                    "savepoint.leaderboard.v1.LeaderboardService",
                ),
            ],
            essential={valkey.STORE: server.ping},
        )


if __name__ == "__main__":
    cli.main("leaderboard", LeaderboardSettings, build)
