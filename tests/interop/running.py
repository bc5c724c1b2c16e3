"""The interop server as a process, for the tests and for `make interop`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.service import ROOT

_START_BOUND_S = 20
_STOP_BOUND_S = 20


@dataclass(frozen=True)
class InteropServer:
    """A running interop server."""

    host: str
    address: str


@asynccontextmanager
async def running(host: str) -> AsyncIterator[InteropServer]:
    """The server on this host while the context is open; it must live until then, and end with exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.server", "--host", host), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_BOUND_S):
            address = (await process.stdout.readline()).decode().strip()
        assert address, f"the interop server on {host} did not start"
        yield InteropServer(host, address)
        assert process.returncode is None, f"the interop server on {host} ended by itself"
        process.terminate()
        async with asyncio.timeout(_STOP_BOUND_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
