"""The demo, as a newcomer runs it, on the first few hundred matches: exact, also when played again, and also when
services are killed while it plays."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from deploy.local.embedded import RunningStack
from deploy.local.settings import CHECKOUT

BOUND_S = 100


async def demo(suite: RunningStack, environment: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Runs it; its exit code and its JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "examples.internationals",
        "--json",
        env={**os.environ, "SAVEPOINT_PORT": suite.gateway.rpartition(":")[2], **environment},
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(BOUND_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, json.loads(output)


async def test_played_twice_it_gives_the_same_exact_result(suite: RunningStack) -> None:
    results = [await demo(suite, {"DEMO_LIMIT": "300"}) for _ in range(2)]
    for code, result in results:
        assert code == 0
        assert (result["matches"], result["mismatches"]) == (300, [])
    assert results[0][1]["players"] == results[1][1]["players"]
    assert results[0][1]["top10"] == results[1][1]["top10"]


@pytest.mark.parametrize("name", ["profile", "inventory", "leaderboard", "gateway"])
async def test_a_part_that_is_killed_while_it_plays_costs_it_nothing(suite: RunningStack, name: str) -> None:
    playing = asyncio.create_task(demo(suite, {"DEMO_LIMIT": "3000", "DEMO_LEAGUE": f"without-{name}"}))
    await asyncio.sleep(1.5)
    assert not playing.done(), "it was over before the kill"
    await suite.kill(name)
    code, result = await playing
    assert (code, result["mismatches"]) == (0, [])
    await suite.serving(name)
