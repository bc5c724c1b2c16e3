"""Starting, waiting for and ending child processes. No child outlives the supervisor, however that one ends."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping
from pathlib import Path

from deploy.local import engines, family
from deploy.local.part import Command, PartFailedError

_PASSED_ON = (
    "RPC_HOST",
    "LOG_LEVEL",
    "CONNECTION_POOL_SIZE",
    "CACHE_TTL_S",
    "REQUESTS_KEPT_DAYS",
    "REQUESTS_KEPT_S",
    "MAX_CONCURRENT_CALLS",
    "DEFAULT_DEADLINE_S",
    "SLOW_QUERY_MS",
    "SHUTDOWN_GRACE_S",
)


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment: what every program needs, what a developer may tune, and the part's own settings."""
    here = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
    tuned = {key: value for key, value in os.environ.items() if key in _PASSED_ON or key.startswith("OTEL_")}
    return here | tuned | dict(settings or {})


async def spawn(command: Command, log: Path, parent_death: signal.Signals) -> Process:
    """Starts the program, its output going to the end of `log`, its life tied to this process by `parent_death`.

    Must be called on the main thread: the kernel ties the child to the thread that starts it.
    """
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops the parts in order.
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            engines.setpriv(),
            *command.setpriv,
            f"--pdeathsig={parent_death.name.removeprefix('SIG')}",
            "--",
            *command.argv,
            stdin=PIPE if command.stdin else DEVNULL,
            stdout=output,
            stderr=STDOUT,
            env=command.environment,
            cwd=command.cwd,
            start_new_session=True,
        )


async def run(command: Command, log: Path, what: str, within_s: float = 120) -> None:
    """Runs a program to its end. Raises PartFailedError, naming `what` failed."""
    process = await spawn(command, log, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.communicate(command.stdin.encode() or None), within_s)
    except TimeoutError:
        raise PartFailedError(f"{what} took longer than {within_s:.0f} s", log) from None
    finally:
        await end(process, signal.SIGTERM, within_s=5)
    if process.returncode:
        raise PartFailedError(f"{what} {ending(process.returncode)}", log)


async def end(process: Process, polite: signal.Signals, within_s: float) -> None:
    """Asks the process to stop, and kills it, with all that it has started, when it has not done so in time."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(polite)
    # Looked for now: once it is gone, nobody knows any more which processes were its own.
    whole = family.of(process.pid)
    family.wake(whole)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), within_s)
        return
    family.kill([*whole, *family.of(process.pid)])
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 5.0)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def rotate(log: Path) -> None:
    """Puts the log of the run before aside, so that a part keeps two files at most."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))


def tail(log: Path, lines: int = 12) -> list[str]:
    """The last lines of a log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-lines:]
