"""One service as an operator runs it, outside of a stack: a process with an environment, on a port of its own.

await migrate("profile", environment)
async with running("profile", environment, directory) as service:
    service.address, service.channel, await service.scrape()
"""

import asyncio
import os
import signal
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local import ports
from deploy.local.part import Command, PartFailedError
from deploy.local.process import ending, run, spawn
from deploy.local.settings import CHECKOUT

_START_WITHIN_S = 20
_STOP_WITHIN_S = 20


class Service:
    """One service process, which is started and stopped by hand."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        log: Path,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.name = name
        rpc_port, metrics_port = ports.free(2)
        self.address = f"{ports.HOST}:{rpc_port}"
        self.metrics_address = f"{ports.HOST}:{metrics_port}"
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

    @property
    def pid(self) -> int:
        """The pid of the process that was started last. Raises LookupError when there was none."""
        if self.process is None:
            raise LookupError(f"{self.name} has not been started")
        return self.process.pid

    async def start(self) -> None:
        """Returns when it is SERVING. Raises PartFailedError, with its log, or TimeoutError."""
        self.process = await spawn(_command(self.name, "serve", self.environment), self.log, signal.SIGTERM)
        async with asyncio.timeout(_START_WITHIN_S):
            while not await self.serving():
                if self.process.returncode is not None:
                    raise self._failed(self.process.returncode)
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
        """Sends a signal and returns the exit code; kills it when it has not ended in time."""
        if self.process is None:
            raise LookupError(f"{self.name} has not been started")
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                return await self.process.wait()
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    async def end(self) -> None:
        """Closes the channel and stops it. Raises PartFailedError when it does not end with exit code 0."""
        await self.channel.close()
        if code := await self.stop():
            raise self._failed(code)

    async def scrape(self) -> str:
        """What Prometheus would read."""

        def read() -> str:
            with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=5) as response:
                return str(response.read(), "utf-8")

        return await asyncio.to_thread(read)

    def _failed(self, code: int) -> PartFailedError:
        return PartFailedError(f"{self.name} {ending(code)}:\n{self.log.read_text()}", self.log)


@asynccontextmanager
async def running(
    name: str, environment: Mapping[str, str], directory: Path, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[Service]:
    """A service while the context is open. Raises PartFailedError when it does not end with exit code 0."""
    service = Service(name, environment, directory / f"{name}.log", credentials)
    try:
        await service.start()
        yield service
    except BaseException:
        await service.channel.close()
        if service.process is not None:
            await service.stop()
        raise
    await service.end()


async def migrate(name: str, environment: Mapping[str, str]) -> None:
    """Runs `python -m services.<name> migrate`. Raises PartFailedError, with its log."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "migrate.log"
        command = _command(name, "migrate", {**_inherited(), **environment})
        try:
            await run(command, log, f"migrating the database of {name}", _START_WITHIN_S)
        except PartFailedError as failed:
            raise PartFailedError(f"{failed}:\n{log.read_text()}") from None


def _command(name: str, command: str, environment: Mapping[str, str]) -> Command:
    return Command((sys.executable, "-m", f"services.{name}", command), environment, CHECKOUT)


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "RPC_HOST")}
