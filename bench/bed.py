"""What is measured: services alone on stores of their own, each in a process of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.alone import Service, migrate, running
from deploy.local.embedded import stores as embedded_stores
from deploy.local.stores import Stores


@dataclass(frozen=True)
class Services:
    """The two that the operations of the issue are about."""

    profile: Service
    leaderboard: Service

    def of(self, method: str) -> Service:
        """The service that a method belongs to; health is asked of the leaderboard."""
        return self.profile if method.startswith("/savepoint.profile.") else self.leaderboard


class Bed:
    """Stores, and services over them in as many ways as are to be compared."""

    def __init__(self, stores: Stores, directory: Path, stack: AsyncExitStack) -> None:
        self._stores = stores
        self._directory = directory
        self._stack = stack

    async def start(self, name: str, settings: Mapping[str, str]) -> Services:
        """Profile and leaderboard with these settings, SERVING; `name` tells them from others on the same stores."""
        logs = self._directory / name
        logs.mkdir()
        profile = {"DATABASE_URL": self._stores.postgres_url("profile"), "REDIS_URL": self._stores.cache_url}
        await migrate("profile", profile)
        return Services(
            await self._stack.enter_async_context(running("profile", profile | dict(settings), logs)),
            await self._stack.enter_async_context(
                running("leaderboard", {"REDIS_URL": self._stores.ranks_url} | dict(settings), logs)
            ),
        )


@asynccontextmanager
async def bed() -> AsyncIterator[Bed]:
    """Stores while the context is open, and the services that are started on them."""
    with TemporaryDirectory(prefix="savepoint-bench-") as directory:
        async with AsyncExitStack() as stack:
            stores = await stack.enter_async_context(embedded_stores(Path(directory)))
            yield Bed(stores, Path(directory), stack)
