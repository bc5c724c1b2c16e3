"""The profile service, as far as inventory asks it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from savepoint.profile.v1.profile_pb2 import BatchGetPlayersRequest
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from shared.rpc import sibling
from shared.rpc.host import Tls
from shared.rpc.sibling import Sibling
from shared.telemetry.traces import Traces

SERVICE = "profile"
HEALTH_NAME = "savepoint.profile.v1.ProfileService"


class ProfileClient:
    """What inventory asks of profile. Made by `connect`. Raises what `Sibling` says."""

    def __init__(self, profile: Sibling) -> None:
        self._profile = profile
        self._players = ProfileServiceStub(profile.channel)

    async def existing(self, player_ids: Sequence[UUID]) -> set[UUID]:
        """Those of up to 1,000 ids that players have."""
        request = BatchGetPlayersRequest(player_ids=[str(player_id) for player_id in player_ids])
        response = await self._profile.read(self._players.BatchGetPlayers, request)
        # Every missing id is in the answer, even where not every player fits into it.
        return set(player_ids).difference(map(UUID, response.missing_player_ids))


@asynccontextmanager
async def connect(target: str, authority: Path | None, own: Tls | None, traces: Traces) -> AsyncIterator[ProfileClient]:
    """A client with its channel, closed on the way out. The profile service may be down."""
    async with sibling.connect(SERVICE, HEALTH_NAME, target, authority, own, traces) as profile:
        yield ProfileClient(profile)
