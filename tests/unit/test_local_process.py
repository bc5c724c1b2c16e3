"""Ending a process of the embedded stack: with all that it has started, whether it wants or not."""

import asyncio
import signal

import psutil

from deploy.local import process

# Hears no SIGTERM, nor does the child, which is in a session of its own, as PostgreSQL's are.
STUBBORN = "trap '' TERM; setsid sleep 60 & echo ready; wait; sleep 60"


async def test_one_that_does_not_stop_is_killed_with_its_children() -> None:
    stubborn = await asyncio.create_subprocess_exec("sh", "-c", STUBBORN, stdout=asyncio.subprocess.PIPE)
    assert stubborn.stdout
    await stubborn.stdout.readline()
    await asyncio.sleep(0.1)
    [child] = psutil.Process(stubborn.pid).children()
    await process.end(stubborn, signal.SIGTERM, within_s=0.3)
    assert stubborn.returncode == -signal.SIGKILL
    async with asyncio.timeout(5):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


async def test_one_that_is_stopped_hears_that_it_is_to_end() -> None:
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    sleeper.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        await process.end(sleeper, signal.SIGTERM, within_s=5)
    assert sleeper.returncode == -signal.SIGTERM
