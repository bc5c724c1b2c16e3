"""A service as an operator runs it: a process with an environment, on real stores."""

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local import ports

ROOT = Path(__file__).parent.parent.parent

_START_BOUND_S = 20
_STOP_BOUND_S = 20


class Service:
    """One running service process."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        log: Path,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.name = name
        rpc_port, metrics_port = ports.free(2)
        self.address = f"127.0.0.1:{rpc_port}"
        self.metrics_address = f"127.0.0.1:{metrics_port}"
        self.environment = {
            **_inherited(),
            "SHUTDOWN_NOTICE_S": "0",
            **environment,
            "LISTEN": self.address,
            "METRICS_LISTEN": self.metrics_address,
        }
        self.log = log
        self.channel: aio.Channel = (
            aio.secure_channel(self.address, credentials) if credentials else aio.insecure_channel(self.address)
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it is SERVING."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{self.name}", "serve", env=self.environment, cwd=ROOT, stderr=log
            )
        async with asyncio.timeout(_START_BOUND_S):
            while not await self.serving():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def serving(self) -> bool:
        """Whether its health says SERVING."""
        try:
            check = health_pb2_grpc.HealthStub(self.channel).Check  # type: ignore[attr-defined] # missing in its types
            answer = await check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_BOUND_S):
                return await self.process.wait()
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    async def scrape(self) -> str:
        """What Prometheus would read."""

        def read() -> str:
            with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=5) as response:
                return str(response.read(), "utf-8")

        return await asyncio.to_thread(read)


@asynccontextmanager
async def running(
    name: str, environment: Mapping[str, str], directory: Path, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[Service]:
    """A service for as long as the context is; it must end with exit code 0."""
    service = Service(name, environment, directory / f"{name}.log", credentials)
    await service.start()
    try:
        yield service
    finally:
        await service.channel.close()
        code = await service.stop()
    assert code == 0, service.log.read_text()


async def migrate(name: str, environment: Mapping[str, str]) -> None:
    """Runs `python -m services.<name> migrate`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{name}", "migrate", env={**_inherited(), **environment}, cwd=ROOT
    )
    async with asyncio.timeout(_START_BOUND_S):
        assert await process.wait() == 0


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "RPC_HOST")}
