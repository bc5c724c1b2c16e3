"""`python -m tests.conformance`: shows the last `make test-stores`; --publish keeps it as the README's."""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from tests.conformance.results import RUN, publish, read


def main() -> int:
    """Returns the exit status: 1 where there is no run to show, or one of its tests failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--publish", action="store_true", help="keep it in docs/stores.json and the README's table")
    asked = parser.parse_args()
    cells = read(RUN)
    if not cells:
        print("no run yet; begin with: make test-stores", file=sys.stderr)
        return 1
    shown = Table("what", "database", "tested against", "on", "result")
    for cell in cells:
        shown.add_row(cell.kind, cell.database, cell.server, cell.tested_on, cell.result())
    Console().print(shown)
    failed = any(cell.failed for cell in cells)
    if asked.publish and not failed:
        publish(cells)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
