"""The one address a game server knows: a channel to it, and the stubs over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grpc import ChannelConnectivity, aio
from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceStub
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

if TYPE_CHECKING:
    from savepoint.leaderboard.v1.leaderboard_pb2_grpc import LeaderboardServiceAsyncStub
    from savepoint.match.v1.match_pb2_grpc import MatchServiceAsyncStub
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub

_CONNECT_WITHIN_S = 5
_RETRY = Path(__file__).parents[1] / "retry.json"


class NobodyListeningError(Exception):
    """Nothing answers at the gateway's address."""


class Gateway:
    """The services the demo calls, over one channel."""

    def __init__(self, channel: aio.Channel) -> None:
        self.profile: ProfileServiceAsyncStub = ProfileServiceStub(channel)
        self.match: MatchServiceAsyncStub = MatchServiceStub(channel)
        self.leaderboard: LeaderboardServiceAsyncStub = LeaderboardServiceStub(channel)


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Gateway]:
    """The gateway at host:port, for as long as the block lasts. Raises NobodyListeningError."""
    options = [("grpc.service_config", _RETRY.read_text())]
    async with aio.insecure_channel(address, options=options) as channel:
        await _reach(channel, address)
        yield Gateway(channel)


async def _reach(channel: aio.Channel, address: str) -> None:
    # A first call would find out too, but only after all of its retries.
    nobody = NobodyListeningError(f"nothing answers at {address}; start it with `make up`")
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            while (state := channel.get_state(try_to_connect=True)) is not ChannelConnectivity.READY:
                if state is ChannelConnectivity.TRANSIENT_FAILURE:
                    raise nobody
                await channel.wait_for_state_change(state)
    except TimeoutError:
        raise nobody from None
