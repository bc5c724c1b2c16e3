"""A service as an operator runs it: a process with an environment, on real stores."""

import asyncio
import sys
from collections.abc import Mapping

from deploy.local.alone import Service, migrate, running
from deploy.local.settings import CHECKOUT as ROOT

__all__ = ["ROOT", "Service", "migrate", "running", "starts_with"]


async def starts_with(environment: Mapping[str, str], *command: str, service: str = "profile") -> tuple[int, str]:
    """Runs a service's command line to its end; its exit code and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}", *command),
        env=environment,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(30):
        _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()
