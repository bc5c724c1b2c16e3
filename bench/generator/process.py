"""Runs a generator as a process of its own."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from bench.generator.plan import Plan
from bench.generator.result import Result
from deploy.local.process import environment
from deploy.local.settings import CHECKOUT

_PATIENCE_S = 60.0
_LARGEST_RESULT = 64 << 20


class GeneratorFailedError(Exception):
    """A generator ended without a result; the message is what it said."""


class Generator:
    """One that has been started."""

    def __init__(self, plan: Plan, process: asyncio.subprocess.Process) -> None:
        self._plan = plan
        self._process = process

    @classmethod
    async def start(cls, plan: Plan) -> "Generator":
        """Returns when it has its plan."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.generator",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(),
            cwd=CHECKOUT,
            limit=_LARGEST_RESULT,
        )
        assert process.stdin is not None  # noqa: S101 # it is a pipe
        process.stdin.write(plan.to_json().encode() + b"\n")
        await process.stdin.drain()
        return cls(plan, process)

    async def result(self) -> Result:
        """Waits for the plan's time. Raises GeneratorFailedError; leaves no process, cancelled or not."""
        assert self._process.stdout is not None  # noqa: S101 # they are pipes
        assert self._process.stderr is not None  # noqa: S101
        bound_s = self._plan.warm_s + self._plan.seconds + _PATIENCE_S
        try:
            async with asyncio.timeout(bound_s):
                line, said = await asyncio.gather(self._process.stdout.read(), self._process.stderr.read())
                await self._process.wait()
        except TimeoutError:
            raise GeneratorFailedError(f"the generator has not ended after {bound_s:.0f} s") from None
        finally:
            await self.kill()
        if self._process.returncode or not line:
            raise GeneratorFailedError(said.decode(errors="replace").strip()[-2000:])
        return Result.from_json(line)

    def stop(self) -> None:
        """Ends its time now; `result` has what it has measured so far."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def kill(self) -> None:
        """Kills it, as a client that vanishes."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def generate(plan: Plan) -> Result:
    """Runs a plan from start to end. Raises GeneratorFailedError."""
    generator = await Generator.start(plan)
    return await generator.result()
