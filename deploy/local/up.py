"""`up`: runs the whole suite, in the foreground or as a daemon."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console

from deploy.local import engines, status
from deploy.local.display import Display
from deploy.local.engines import EngineMissingError
from deploy.local.layout import Layout
from deploy.local.part import PartFailedError
from deploy.local.ports import PortError
from deploy.local.settings import StackSettings
from deploy.local.stack import AlreadyRunningError, Stack
from deploy.local.suite import Suite
from shared import __version__

OK, FAILED, ALREADY_RUNNING = 0, 1, 4
_SUITE_WITHIN_S = 15.0


def foreground(settings: StackSettings) -> int:
    """Runs until Ctrl-C or SIGTERM."""
    return asyncio.run(_supervise(settings, "Ctrl-C", lambda: None))


def detached(settings: StackSettings) -> int:
    """Starts a daemon, shows its start, and returns when it is SERVING or has given up."""
    readable, writable = os.pipe()
    daemon = os.fork()  # before there is any thread, event loop or gRPC
    if daemon == 0:
        os.setsid()
        os.close(readable)
        os._exit(asyncio.run(_supervise(settings, "make down", lambda: _leave_terminal(writable))))
    os.close(writable)
    try:
        ready = os.read(readable, 1)
    except KeyboardInterrupt:
        os.kill(daemon, signal.SIGTERM)
        ready = b""
    code = OK if ready else os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1])
    return OK if code == ALREADY_RUNNING else code


def _leave_terminal(ready: int) -> None:
    """Gives the terminal back, and tells the process that waits there that all is up."""
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.write(ready, b"1")
    os.close(ready)


async def _supervise(settings: StackSettings, stop_with: str, on_up: Callable[[], None]) -> int:
    began = time.monotonic()
    layout = Layout.of(settings.savepoint_data)
    display = Display(Console(), layout)
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    try:
        engines.check()
        suite = Suite(layout, settings)
        stack = Stack(layout, suite.parts, settings.model_dump(mode="json"), display)
        await stack.claim(settings.ports())
        display.starting(__version__, suite.parts)
        if await _finishes(_start(stack, suite), stop):
            display.up(suite.gateway.address, time.monotonic() - began, stop_with)
            on_up()
            await stop.wait()
            display.say("\nStopping ...")
            await stack.stop()
        display.say("Stopped: no process is left, and the data stays.")
    except AlreadyRunningError:
        return await _already_running(settings, display)
    except PartFailedError as failure:
        display.failed(failure)
        return FAILED
    except (EngineMissingError, PortError, OSError) as problem:
        display.problem(str(problem))
        return FAILED
    return OK


async def _start(stack: Stack, suite: Suite) -> None:
    """Brings everything up, to the point where a call through the gateway reaches every service."""
    await stack.start()
    try:
        await suite.serving(_SUITE_WITHIN_S)
    except TimeoutError:
        await stack.stop()
        reason = f"the gateway has not seen every service SERVING within {_SUITE_WITHIN_S:.0f} s"
        raise PartFailedError(reason, suite.gateway.log) from None


async def _finishes(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether the work came to its end before a stop was wanted; it is cancelled then. Raises what the work raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.wait((working,))
            return False
        await working
        return True
    finally:
        stopping.cancel()


async def _already_running(settings: StackSettings, display: Display) -> int:
    running = await status.collect(settings)
    if running.serving:
        display.say(f"Savepoint is running already (pid {running.supervisor}). Game servers call {running.gateway}.")
        return ALREADY_RUNNING
    display.problem("Savepoint runs here already, but not all of it is SERVING: see make status")
    return FAILED
