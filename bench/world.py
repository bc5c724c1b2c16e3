"""What the suite measures: the embedded stack in a data folder of its own, with players, items and a board in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import overload

from bench import sowing
from bench.bare.pipeline import Pipeline
from bench.figures import BUILD
from bench.progress import Steps
from bench.seed import Seed
from deploy.local.embedded import RunningStack
from deploy.local.embedded import stack as embedded_stack

SERVICES = ("profile", "inventory", "leaderboard")
STORES = ("postgres", "cache", "ranks")
STEPS = 4  # of `world`, for a progress bar
_SETTLE_WITHIN_S = 600.0


@dataclass(frozen=True)
class Sizes:
    """How much there is: `items` is for each player."""

    players: int = 100_000
    entries: int = 100_000
    items: int = 20


class Numbered(Sequence[str]):
    """The ids of so many seeded players, made when they are asked for: a million of them need no memory."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...

    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        if isinstance(at, slice):
            return [sowing.player_id(number) for number in range(*at.indices(self._count))]
        if at >= self._count:
            raise IndexError(at)
        return sowing.player_id(at)


@dataclass(frozen=True)
class World:
    """The stack, what is in it, and how much. `board_bytes` is what the seed's board takes in Valkey."""

    stack: RunningStack
    seed: Seed
    sizes: Sizes
    board_bytes: int = 0

    def address(self, service: str) -> str:
        """Where a service, or the gateway, takes calls."""
        return self.stack.address(service)

    def pids(self, service: str) -> dict[str, int]:
        """The processes whose CPU a call of a service costs."""
        return {name: self.stack.pid(name) for name in (*STORES, "gateway")} | {"service": self.stack.pid(service)}

    async def with_board(self, leaderboard_id: str, entries: int) -> "World":
        """The same world with a new board, which its seed then is about. Raises TimeoutError."""
        before = self._ranks("used_memory")
        await sowing.board(self.address("leaderboard"), leaderboard_id, entries)
        await self._settled()
        seed = replace(self.seed, leaderboard_id=leaderboard_id, entry_ids=Numbered(entries))
        return replace(self, seed=seed, board_bytes=self._ranks("used_memory") - before)

    async def _settled(self) -> None:
        """Waits until Valkey has written its append-only file anew, as it does when that has doubled."""
        async with asyncio.timeout(_SETTLE_WITHIN_S):
            while self._ranks("aof_rewrite_in_progress") or self._ranks("aof_rewrite_scheduled"):
                await asyncio.sleep(0.1)

    def _ranks(self, name: str) -> int:
        """What the boards' Valkey says of itself."""
        ranks = Pipeline(self.address("ranks"))
        try:
            lines = ranks.ask([b"INFO"]).decode().splitlines()
        finally:
            ranks.close()
        return int(next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:")))


@asynccontextmanager
async def world(sizes: Sizes, steps: Steps) -> AsyncIterator[World]:
    """Everything, started and filled, while the context is open. Raises PartFailedError."""
    # Beside the checkout's own data, since /tmp may be memory, where a commit waits for no disk.
    BUILD.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="bench-data-", dir=BUILD) as directory:
        steps.next("starting the stack")
        async with embedded_stack(Path(directory) / "stack") as stack:
            steps.next(f"making {sizes.players:,} players")
            await sowing.players(stack.stores.postgres_url("profile"), sizes.players)
            steps.next(f"making {sizes.players * sizes.items:,} items")
            await sowing.items(stack.stores.postgres_url("inventory"), sizes.players, sizes.items)
            steps.next(f"making a board of {sizes.entries:,}")
            seed = Seed(sowing.BOARD, (), Numbered(sizes.players), sowing.item_keys(sizes.items))
            yield await World(stack, seed, sizes).with_board(sowing.BOARD, sizes.entries)
