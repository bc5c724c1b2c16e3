"""Inventory's way to profile."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from savepoint.inventory.v1.inventory_pb2 import GrantItemRequest, ItemGrant
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub

from services.inventory.known_players import profile_client
from shared.contract.errors import PreconditionFailed, SavepointError
from shared.rpc import policies
from shared.rpc.hosts import host as make_host
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces
from tests.support.errors import failure
from tests.support.service import Service, running

_CALLS = 10


def calls(service: Service) -> int:
    """How often a replica has been asked for players."""
    return service.log.read_text().count('"rpc_method": "BatchGetPlayers"')


@asynccontextmanager
async def refusing(error: SavepointError) -> AsyncIterator[str]:
    """Where a profile service is that answers every question with this error."""

    async def batch_get_players(request: bytes, context: Any) -> bytes:
        raise error

    host = make_host("httpunk", policies.standard(Metrics(), Traces("profile", ""), 100, 10.0))
    handlers: Any = {"BatchGetPlayers": grpc.unary_unary_rpc_method_handler(batch_get_players)}
    host.add_registered_method_handlers("savepoint.profile.v1.ProfileService", handlers)
    try:
        yield await host.start("127.0.0.1:0")
    finally:
        await host.drain(2)
        await host.stop()


async def test_what_profile_refuses_reaches_the_caller_as_what_it_is() -> None:
    error = PreconditionFailed("INSUFFICIENT_COINS", "too few", have=1, need=2)
    async with (
        refusing(error) as address,
        profile_client.connect(address, None, None, Traces("tests", "")) as client,
    ):
        with pytest.raises(PreconditionFailed) as raised:
            await client.existing([uuid.uuid4()])
    assert (raised.value.reason, raised.value.message) == ("INSUFFICIENT_COINS", "too few")
    assert raised.value.metadata == {"have": "1", "need": "2"}


async def test_the_x_request_id_of_a_call_to_inventory_is_in_the_logs_of_profile(
    profile: Service, inventory: Service
) -> None:
    known_as = f"match-{uuid.uuid4()}"
    player_id, new_id = str(uuid.uuid4()), str(uuid.uuid4())
    grant = ItemGrant(player_id=player_id, item_type="a", item_id="b", quantity=1)
    request = GrantItemRequest(request_id=new_id, grant=grant)
    call = InventoryServiceStub(inventory.channel).GrantItem(request, metadata=(("x-request-id", known_as),))
    assert (await failure(call)).reason == "PLAYER_NOT_FOUND"
    lines = [json.loads(line) for line in profile.log.read_text().splitlines() if known_as in line]
    assert all(line["x_request_id"] == known_as for line in lines)
    assert any("query" in line for line in lines), "the query that profile made for it is not known by it"


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
