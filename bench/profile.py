"""Runs one operation under load and asks py-spy where its service spends its time: a flame graph, and the functions
that take most themselves.

Only the thread that runs Python counts (--gil): others of the process wait, and would be taken for busy."""

import argparse
import asyncio
import re
import sysconfig
from asyncio.subprocess import PIPE, STDOUT
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import catalogue
from bench.catalogue import Case
from bench.figures import BUILD
from bench.measuring import Measuring
from bench.progress import Steps
from bench.report import Report, table
from bench.world import SERVICES, STEPS, Sizes, world
from deploy.local.process import environment

HELP = "a flame graph of one operation at its service (make profile)"
_HERTZ = 400
_TOP = 15
_LOAD_S = 5.0  # of a generator; then the next one starts
_PATIENCE_S = 60
_PTRACE = """py-spy may not look into another process here. One of these allows it:
  run it as root;
  sudo sysctl kernel.yama.ptrace_scope=0 (until the next boot);
  in a container, start that with --cap-add SYS_PTRACE."""


class CannotProfileError(Exception):
    """py-spy could not look into the service; the message says what to do."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument("--service", default="", help="profile, inventory or leaderboard; else the operation's own")
    parser.add_argument("--op", default="SubmitScore", help="the operation, as make bench names it")
    parser.add_argument("--callers", type=int, default=64, help="callers at once")
    parser.add_argument("--seconds", type=float, default=10, help="how long py-spy looks, for each of its two files")
    parser.add_argument("--players", type=int, default=10_000, help="how many players there are")
    parser.add_argument("--entries", type=int, default=100_000, help="how many entries the board has")
    parser.add_argument("--native", action="store_true", help="show the functions of compiled libraries too")
    parser.add_argument("--out", type=Path, default=BUILD, metavar="DIR", help="where the graph goes")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Writes the graph. Raises UnknownNameError, CannotProfileError."""
    case = _case(given)
    service = given.service or case.service
    given.out.mkdir(parents=True, exist_ok=True)
    graph = given.out / f"profile-{service}-{_file_name(case.name)}.svg"
    with TemporaryDirectory(prefix="savepoint-profile-") as name, Steps(console, STEPS + 2) as steps:
        stacks = Path(name) / "stacks.txt"
        async with world(Sizes(given.players, given.entries), steps) as made:
            loading = asyncio.create_task(_load(Measuring(made, _LOAD_S), case, given.callers))
            try:
                for form, file in (("raw", stacks), ("flamegraph", graph)):
                    steps.next(f"py-spy looks at {case.name} ({form})")
                    await _look(made.stack.pid(service), form, file, given)
                    if loading.done():
                        loading.result()
            finally:
                loading.cancel()
                with suppress(asyncio.CancelledError):
                    await loading
        own = own_times(stacks.read_text())
    return Report("profile", {"graph": str(graph), "own": dict(own)}, [_table(own, service, case)], [], [f"{graph}"])


def own_times(stacks: str) -> Counter[str]:
    """How many samples ended in each function, of lines "outermost;…;innermost count"."""
    own: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        if count.isdigit():
            own[re.sub(r":\d+\)$", ")", frames.rpartition(";")[2])] += int(count)
    return own


def _case(given: argparse.Namespace) -> Case:
    catalogue.check([given.service] if given.service else [], SERVICES, "service")
    return catalogue.one(given.op)


async def _load(measuring: Measuring, case: Case, callers: int) -> None:
    while True:
        await measuring.once(case, "service", callers)


async def _look(pid: int, form: str, file: Path, given: argparse.Namespace) -> None:
    program = Path(sysconfig.get_path("scripts")) / "py-spy"
    options = ["--native"] if given.native else []
    spy = await asyncio.create_subprocess_exec(
        *(str(program), "record", "--gil", "--pid", str(pid), "--format", form, "--output", str(file), *options),
        *("--rate", str(_HERTZ), "--duration", str(max(1, round(given.seconds)))),
        stdout=PIPE,
        stderr=STDOUT,
        env=environment(),
    )
    try:
        async with asyncio.timeout(given.seconds + _PATIENCE_S):
            said, _ = await spy.communicate()
    finally:
        if spy.returncode is None:
            spy.kill()
            await spy.wait()
    if spy.returncode:
        text = said.decode(errors="replace").strip()
        denied = "ermission" in text or "EPERM" in text or "not permitted" in text
        raise CannotProfileError(f"{text[-1000:]}\n{_PTRACE}" if denied else text[-2000:])


def _table(own: Counter[str], service: str, case: Case) -> Table:
    made = table(f"{case.name} at {service}: own time", "function", "samples", "share")
    total = max(1, own.total())
    for function, samples in own.most_common(_TOP):
        made.add_row(function, f"{samples:,}", f"{samples / total:.1%}")
    return made


def _file_name(operation: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", operation).strip("-")
