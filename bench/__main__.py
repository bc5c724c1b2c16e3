"""python -m bench PROGRAM: measures Savepoint on this machine, on stores of its own."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from bench import (
    check,
    gateway,
    hosts,
    memory,
    overload,
    profile,
    publish,
    replicas,
    restarts,
    sizes,
    soak,
    suite,
)
from bench.bare.postgres import PgbenchFailedError
from bench.catalogue import UnknownNameError
from bench.gamelog import program as gamelog
from bench.generator.process import GeneratorFailedError
from bench.profile import CannotProfileError
from deploy.local.part import PartFailedError

_PROGRAMS = {
    "suite": suite,
    "check": check,
    "report": publish,
    "profile": profile,
    "sizes": sizes,
    "memory": memory,
    "hosts": hosts,
    "gateway": gateway,
    "replicas": replicas,
    "soak": soak,
    "restarts": restarts,
    "overload": overload,
    "gamelog": gamelog,
}
_WIDTH = 140  # of a file or a pipe, so that no figure is cut
_EXIT_CODES = "exit codes: 0 all that must hold does; 1 something does not; 2 not understood; 3 could not be measured"


def main() -> int:
    """Reads the command line and runs what it names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, epilog=_EXIT_CODES)
    programs = parser.add_subparsers(dest="program", required=True, metavar="PROGRAM")
    for name, program in _PROGRAMS.items():
        its = programs.add_parser(
            name,
            help=program.HELP,
            description=program.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        program.arguments(its)
        its.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    given = parser.parse_args()
    try:
        report = asyncio.run(_PROGRAMS[given.program].run(given, Console(stderr=True)))
    except UnknownNameError as unknown:
        print(unknown, file=sys.stderr)
        return 2
    except (PartFailedError, GeneratorFailedError, PgbenchFailedError, CannotProfileError) as failed:
        print(failed, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    report.show(Console(width=None if sys.stdout.isatty() else _WIDTH))
    if given.json is not None:
        report.write(given.json)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
