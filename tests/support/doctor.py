"""The doctor, as tests ask it."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.doctor.examine import examine
from deploy.doctor.finding import Finding, Severity
from deploy.doctor.limits import LIMITS
from deploy.doctor.report import Report
from deploy.doctor.targets import (
    Database,
    DynamoTable,
    Gateway,
    MongoServer,
    Process,
    Targets,
    ValkeyServer,
)
from tests.support.service import ROOT

CALLERS = 12
WINDOW_S = 0.2


async def looked(
    *targets: Database | ValkeyServer | MongoServer | DynamoTable | Process,
    gateway: Gateway | None = None,
    **limits: Any,
) -> Report:
    """What the doctor finds about these, with some of its limits set otherwise."""
    given = Targets(
        "what a test made",
        tuple(each for each in targets if isinstance(each, Database)),
        tuple(each for each in targets if isinstance(each, ValkeyServer)),
        tuple(each for each in targets if isinstance(each, MongoServer)),
        tuple(each for each in targets if isinstance(each, DynamoTable)),
        tuple(each for each in targets if isinstance(each, Process)),
        gateway,
    )
    return await examine(given, WINDOW_S, replace(LIMITS, **limits))


def found(report: Report, check: str, severity: Severity = Severity.PROBLEM) -> list[Finding]:
    """The findings of a check that are so bad. Each says why it matters and what to do."""
    findings = [
        each for part in report.parts for each in part.findings if (each.check, each.severity) == (check, severity)
    ]
    assert severity is Severity.OK or all(each.why and each.do for each in findings)
    return findings


def problems(report: Report) -> list[Finding]:
    return [each for part in report.parts for each in part.findings if each.severity is Severity.PROBLEM]


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def doctor(*options: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str, str]:
    """The command as an operator runs it: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.doctor", "--watch-s", str(WINDOW_S), *options),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()
