"""The interop server of each host, a process of its own, once for all tests."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.interop.server import HOSTS
from tests.support.service import ROOT

_START_BOUND_S = 20
_STOP_BOUND_S = 20


@dataclass(frozen=True)
class InteropServer:
    """A running interop server."""

    host: str
    address: str


@pytest.fixture(scope="session", params=HOSTS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[InteropServer]:
    """The interop server on each host; it must end with exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.server", "--host", request.param),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_BOUND_S):
            address = (await process.stdout.readline()).decode().strip()
        assert address, f"the interop server on {request.param} did not start"
        yield InteropServer(request.param, address)
        assert process.returncode is None, f"the interop server on {request.param} ended by itself"
        process.terminate()
        async with asyncio.timeout(_STOP_BOUND_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
