"""python -m deploy.doctor [--json]"""

import argparse
import asyncio
import json
import os
import sys

from deploy.doctor import named
from deploy.doctor.examine import examine
from deploy.doctor.limits import LIMITS
from deploy.doctor.named import NotUnderstoodError
from deploy.doctor.report import Report
from deploy.doctor.targets import Targets

WELL, ILL, NOT_LOOKED = 0, 1, 2
_LONGEST_WINDOW_S = 60.0
# A pipe has no width; rich would take 80 columns.
_PIPE_WIDTH = 120
_SEVERAL = (
    ("database", "SERVICE=URL", "a service's database: profile=postgresql://user@host/profile"),
    ("valkey", "NAME=URL", "cache=redis://… (the player cache) or boards=redis://…"),
    ("mongodb", "NAME=URL", "gamelog=mongodb://… (the game log)"),
    ("service", "SERVICE=HOST:PORT", "where a service answers calls"),
    ("metrics", "SERVICE=HOST:PORT", "where a service shows its metrics"),
)
_NOTHING = """Nothing to look at: no embedded stack runs here, and nothing else is named. Do one of these:
  make up                                             start the embedded stack, then look again
  python -m deploy.doctor --database profile=postgresql://… --valkey cache=redis://…
  python -m deploy.doctor --help                      all that can be named"""


def main() -> int:
    """Reads the command line, looks, and prints what was found."""
    options = _parser().parse_args()
    try:
        targets = named.targets(options, os.environ) or _stack()
    except NotUnderstoodError as error:
        print(error, file=sys.stderr)
        return NOT_LOOKED
    if targets is None:
        if options.json:
            print(json.dumps({"well": None, "reason": "nothing to look at: no stack runs, and nothing is named"}))
        print(_NOTHING, file=sys.stderr)
        return NOT_LOOKED
    report = asyncio.run(examine(targets, options.watch_s, LIMITS))
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)
    return WELL if report.well else ILL


def _stack() -> Targets | None:
    """What the embedded stack runs. In a container there is none, nor its code."""
    try:
        from deploy.doctor import stack
        from deploy.local.settings import StackSettings
        from shared.service.settings import SettingsError, load
    except ModuleNotFoundError:
        return None
    try:
        return stack.running(load(StackSettings))
    except SettingsError as invalid:
        raise NotUnderstoodError(str(invalid)) from None


def _print(report: Report) -> None:
    # Imported late: what only prints JSON does without.
    from rich.console import Console

    from deploy.doctor import table

    given = "COLUMNS" in os.environ or sys.stdout.isatty()
    table.show(report, Console(width=None if given else _PIPE_WIDTH, highlight=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.doctor",
        description="Looks at every store, service and gateway: what is ill, why that matters, what to do. It only "
        "reads. Without options it looks at the embedded stack that runs here.",
        epilog="\n".join(
            [
                "environment, for what is not to stand on the command line, such as passwords:",
                *(f"  {name:<25} {what}" for name, what in named.ENVIRONMENT.items()),
                "",
                "exit codes: 0 no problem; 1 a problem; 2 could not look at all, and why",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="as a JSON object")
    parser.add_argument(
        "--watch-s", type=_seconds, default=2.0, metavar="S", help="so long rates are watched (0.1 to 60; default 2)"
    )
    for name, metavar, what in _SEVERAL:
        parser.add_argument(f"--{name}", action="append", default=[], metavar=metavar, help=f"{what}; once for each")
    parser.add_argument("--gateway", metavar="HOST:PORT", help="where the gateway answers calls")
    parser.add_argument("--gateway-metrics", metavar="HOST:PORT", help="where it shows its metrics")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= _LONGEST_WINDOW_S:
        raise ValueError(text)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
