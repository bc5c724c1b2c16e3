"""gRPC's official interop cases, by grpcio's client; by grpc-js and grpc-go where a machine has what they need."""

import asyncio

import pytest
from grpc import aio

from tests.interop import client
from tests.interop.foreign import CLIENTS, ForeignClient
from tests.interop.running import InteropServer
from tests.interop.server import SHOWS_REQUEST_ENCODING

_FOREIGN_BOUND_S = 100


@pytest.mark.parametrize("case", client.CASES)
async def test_case(server: InteropServer, case: str) -> None:
    async with aio.insecure_channel(server.address) as channel:
        await client.CASES[case](client.Server(server.address, channel))


@pytest.mark.parametrize("probe", client.PROBES)
async def test_an_uncompressed_request_is_seen_as_such(server: InteropServer, probe: str) -> None:
    if not SHOWS_REQUEST_ENCODING[server.host]:
        pytest.skip(f"{server.host} does not show a servicer how its request was encoded")
    async with aio.insecure_channel(server.address) as channel:
        await client.PROBES[probe](client.Server(server.address, channel))


@pytest.mark.parametrize("foreign", CLIENTS, ids=lambda foreign: foreign.name)
async def test_cases_by_a_foreign_client(server: InteropServer, foreign: ForeignClient) -> None:
    missing = foreign.missing()
    if missing:
        pytest.skip(f"{foreign.name}: {missing}")
    command = await asyncio.to_thread(foreign.prepare)
    process = await asyncio.create_subprocess_exec(
        *command, server.address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_FOREIGN_BOUND_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = output.decode().splitlines()
    assert process.returncode == 0, output.decode()
    # Each case answered for itself, by its official name.
    assert {line.removeprefix("ok ") for line in lines if line.startswith("ok ")} == set(client.CASES), output.decode()
