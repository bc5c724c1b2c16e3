"""docs/guide.md's program, as a game-server author runs it."""

import asyncio
import os
import sys

from deploy.local.embedded import RunningStack
from deploy.local.settings import CHECKOUT

BOUND_S = 60

PRINTED = """\
serving: True
swords: 1
bonus: 100 100
too dear: 150 coins are missing
bought: 70 coins are left
a name with a tab: player.username must not contain control characters
a taken name: this name is taken
badges: 1
glows: True
items: ['sword_of_dawn']
players: 2
match: won by team 1
mmr: [1012, 988]
failed score: bot FIELD_INVALID ['submissions[2].score']
ranks: [(1, 3), (2, 1)]
"""


async def test_the_guide_s_program_does_what_the_guide_says(suite: RunningStack) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "examples.guide",
        env={**os.environ, "SAVEPOINT_PORT": suite.gateway.rpartition(":")[2]},
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
    assert (process.returncode, output.decode()) == (0, PRINTED)
