"""`status`: what runs, and how each part is, asked of the part itself."""

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil
from rich.console import Console
from rich.table import Table

from deploy.local import state
from deploy.local.display import short
from deploy.local.layout import Layout
from deploy.local.part import Part
from deploy.local.settings import StackSettings
from deploy.local.suite import Suite

OK, NOT_SERVING = 0, 3
_COLOURS = {"SERVING": "green", "NOT_SERVING": "yellow", "DOWN": "red"}
_MB = 1024 * 1024
_PIPE_WIDTH = 200
_NARROW = 90


@dataclass(frozen=True)
class PartReport:
    """How one part is. `health` is SERVING, NOT_SERVING (its process runs) or DOWN."""

    name: str
    health: str
    engine: str
    version: str
    address: str
    pid: int | None = None
    memory_mb: float | None = None
    uptime_s: float | None = None
    restarts: int = 0
    remark: str = ""


@dataclass(frozen=True)
class Report:
    """How the suite is."""

    serving: bool
    gateway: str
    data: str
    supervisor: int | None
    parts: tuple[PartReport, ...]


def show(settings: StackSettings, as_json: bool) -> int:
    """Prints the report; the exit code is 0 when everything is SERVING and 3 otherwise."""
    report = asyncio.run(collect(settings))
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    elif report.supervisor is None:
        print("Savepoint is not running; make up starts it.")
    else:
        # A pipe has no width; rich would take 80 columns and cut.
        console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
        console.print(_table(report, gap=2 if console.width > _NARROW else 1))
        console.print(f"\nGame servers call [bold]{report.gateway}[/]. Data, logs and sockets: {short(report.data)}")
    return OK if report.serving else NOT_SERVING


async def collect(settings: StackSettings) -> Report:
    """Asks every part. Where a supervisor runs on this data directory its settings count, not those given."""
    layout = Layout.of(settings.savepoint_data)
    running = state.read(layout)
    if running is None or running.supervisor.process() is None:
        running = None
    elif running.settings:
        settings = StackSettings.model_validate(running.settings)
    suite = Suite(layout, settings)
    recorded = running.parts if running else {}
    parts = await asyncio.gather(*(_ask(part, recorded.get(part.name)) for part in suite.parts))
    return Report(
        serving=all(part.health == "SERVING" for part in parts),
        gateway=suite.gateway.address,
        data=str(layout.data),
        supervisor=running.supervisor.pid if running else None,
        parts=tuple(parts),
    )


async def _ask(part: Part, recorded: state.Recorded | None) -> PartReport:
    known = (part.name, part.engine, part.version, part.address)
    process = recorded.process() if recorded else None
    name, engine, version, address = known
    if recorded is None or process is None:
        return PartReport(name, "DOWN", engine, version, address)
    health = "SERVING" if await part.serving() else "NOT_SERVING"
    return PartReport(
        *(name, health, engine, version, address),
        pid=recorded.pid,
        memory_mb=round(_memory(process) / _MB, 1),
        uptime_s=round(time.time() - recorded.created, 1),
        restarts=recorded.restarts,
        remark=await part.remark(),
    )


def _memory(process: psutil.Process) -> int:
    """Resident memory of the process, and of its children what they do not share with it (PostgreSQL has many)."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                info = child.memory_info()
                total += info.rss - info.shared
    return total


def _table(report: Report, gap: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    table.add_column("part", no_wrap=True)
    table.add_column("health", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("address", overflow="fold")  # the one that gives way in a narrow terminal
    for title in ("pid", "memory", "up for", "died"):
        table.add_column(title, justify="right", no_wrap=True)
    remarks = any(part.remark for part in report.parts)
    if remarks:
        table.add_column("")
    for part in report.parts:
        table.add_row(
            part.name,
            f"[{_COLOURS[part.health]}]{part.health}[/]",
            f"{part.engine} {part.version}",
            part.address.removeprefix(f"{report.data}/"),
            "" if part.pid is None else str(part.pid),
            "" if part.memory_mb is None else f"{part.memory_mb:.0f} MB",
            "" if part.uptime_s is None else _duration(part.uptime_s),
            str(part.restarts),
            *([part.remark] if remarks else []),
        )
    return table


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds}s" if minutes else f"{seconds}s"
