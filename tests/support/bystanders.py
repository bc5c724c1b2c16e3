"""Healthy callers beside whatever a test does: their calls must not notice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grpc import aio


@dataclass
class Bystanders:
    """How their calls went."""

    calls: int = 0
    failures: list[str] = field(default_factory=list)


@asynccontextmanager
async def calling(call: Callable[[], Awaitable[object]], callers: int = 4) -> AsyncIterator[Bystanders]:
    """So many callers that repeat `call` while the context is open."""
    seen = Bystanders()
    over = asyncio.Event()

    async def caller() -> None:
        while not over.is_set():
            try:
                await call()
            except aio.AioRpcError as error:
                seen.failures.append(f"{error.code().name}: {error.details()}")
            seen.calls += 1

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    try:
        yield seen
    finally:
        over.set()
        await asyncio.gather(*tasks)
