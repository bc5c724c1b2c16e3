"""Inventory's way to profile."""

import asyncio
import uuid
from pathlib import Path

import pytest

from services.inventory.known_players import profile_client
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


@pytest.mark.parametrize("host", ["httpunk", "grpc_aio"])
async def test_a_replica_that_stops_costs_no_call(
    host: str, profile: Service, profile_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {**profile_environment, "RPC_HOST": host, "SHUTDOWN_NOTICE_S": "0.5"}
    async with running("profile", environment, tmp_path) as other:
        both = f"ipv4:{profile.address},{other.address}"
        async with profile_client.connect(both, None, None, Traces("tests", "")) as client:
            stopping = asyncio.Event()

            async def ask() -> int:
                asked = 0
                while not stopping.is_set():
                    await client.existing([uuid.uuid4()])
                    asked += 1
                return asked

            asking = [asyncio.create_task(ask()) for _ in range(4)]
            try:
                await asyncio.sleep(0.2)
                assert await other.stop() == 0
            finally:
                stopping.set()
                asked = await asyncio.gather(*asking)
            assert sum(asked) > _CALLS
