"""Inventory's way to profile."""

import uuid
from pathlib import Path

from services.inventory import profile_client
from shared.telemetry.traces import Traces
from tests.support.service import Service, running

_CALLS = 10


def calls(service: Service) -> int:
    """How often a replica has been asked for players."""
    return service.log.read_text().count('"rpc_method": "BatchGetPlayers"')


async def test_every_replica_of_profile_gets_its_share(
    profile: Service, profile_environment: dict[str, str], tmp_path: Path
) -> None:
    async with running("profile", profile_environment, tmp_path) as other:
        before = calls(profile)
        both = f"ipv4:{profile.address},{other.address}"
        # Once it knows both, it takes turns.
        async with profile_client.connect(both, None, None, Traces("tests", "")) as client:
            for _ in range(_CALLS):
                assert await client.existing([uuid.uuid4()]) == set()
        assert calls(profile) - before >= _CALLS // 3
        assert calls(other) >= _CALLS // 3
