"""Callers who submit scores and read them back while a test breaks something: each has an entry of its own, which
nobody else changes, so each knows what it must read."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grpc import StatusCode
from grpc.aio import AioRpcError
from savepoint.leaderboard.v1 import leaderboard_pb2 as pb

from tests.support.boards import Ranks, submission

_TIMEOUT_S = 10.0
# What a call may come to while a store is away.
_AWAY = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Caller:
    """One caller on one board. `failures` are the moments of calls that failed because the store was away, `answers`
    those of calls that did not. `lost` counts reads that lacked what was answered last."""

    board: str
    entry_id: str
    score: int = 0
    lost: int = 0
    failures: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    async def run(self, ranks: Ranks, stop: asyncio.Event) -> None:
        """Raises AssertionError for a wrong answer, AioRpcError for a status that is not due."""
        while not stop.is_set():
            try:
                await self._once(ranks)
                self.answers.append(time.monotonic())
            except AioRpcError as error:
                if error.code() not in _AWAY:
                    raise
                self.failures.append(time.monotonic())
                await asyncio.sleep(0.02)

    async def _once(self, ranks: Ranks) -> None:
        score = self.score + 1
        # Every third one without a request_id: its script call has no key that is not there yet.
        request_id = str(uuid.uuid4()) if score % 3 else None
        request = pb.SubmitScoreRequest(request_id=request_id, submission=submission(self.board, self.entry_id, score))
        await ranks.SubmitScore(request, timeout=_TIMEOUT_S)
        self.score = score
        seen = await ranks.GetEntry(
            pb.GetEntryRequest(leaderboard_id=self.board, entry_id=self.entry_id), timeout=_TIMEOUT_S
        )
        if seen.entry.score != score:
            assert seen.entry.score < score, f"{self.entry_id} of {self.board} is {seen.entry.score}, not {score}"
            self.lost += 1


@asynccontextmanager
async def load(ranks: Ranks, boards: Sequence[str], callers: int = 3) -> AsyncIterator[list[Caller]]:
    """So many callers on each board while the context is open."""
    all_callers = [Caller(board, f"e{n}") for board in boards for n in range(callers)]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for caller in all_callers:
            tasks.create_task(caller.run(ranks, stop))
        try:
            yield all_callers
        finally:
            stop.set()


async def check(ranks: Ranks, board: str, scores: Mapping[str, int]) -> None:
    """Fails unless a board has exactly these entries."""
    page = await ranks.ListTop(pb.ListTopRequest(leaderboard_id=board, page_size=1000), timeout=_TIMEOUT_S)
    entries = list(page.entries)
    while page.next_page_token:
        request = pb.ListTopRequest(leaderboard_id=board, page_size=1000, page_token=page.next_page_token)
        page = await ranks.ListTop(request, timeout=_TIMEOUT_S)
        entries += page.entries
    assert {entry.entry_id: entry.score for entry in entries} == scores
    assert [entry.rank for entry in entries] == list(range(1, len(scores) + 1))
    about = await ranks.GetLeaderboard(pb.GetLeaderboardRequest(leaderboard_id=board), timeout=_TIMEOUT_S)
    assert about.leaderboard.entry_count == len(scores)
