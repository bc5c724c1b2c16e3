"""`python -m tests.fuzz --address HOST:PORT`: fuzzes a running suite; 1 if anything was wrong."""

import argparse
import asyncio
import secrets
import sys

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.fuzz import report
from tests.fuzz.rpcs import Rpc, unary
from tests.fuzz.run import fuzz

# Below this the table of statuses cannot be read.
_WIDTH = 120


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:8080", help="where the gateway is (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=300, help="how many for each RPC (default: %(default)s)")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of an earlier run, to make its messages anew")
    parser.add_argument("--rpc", action="append", default=[], metavar="NAME", help="only this one, say GetPlayer")
    parser.add_argument("--only", type=int, action="append", metavar="N", help="only the message with this number")
    parser.add_argument("--large", action="store_true", help="all attributes and metadata are near their limits")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser.parse_args()


def _chosen(names: list[str]) -> list[Rpc]:
    rpcs = unary()
    known = {rpc.name for rpc in rpcs}
    if unknown := sorted(set(names) - known):
        sys.exit(f"there is no RPC {unknown[0]}; there are {', '.join(sorted(known))}")
    return [rpc for rpc in rpcs if not names or rpc.name in names]


def main() -> int:
    """0: nothing was wrong; 1: something was."""
    how = _arguments()
    rpcs = _chosen(how.rpc)
    numbers = how.only or range(how.messages)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"fuzzing, seed {how.seed}", total=len(rpcs) * len(numbers))
        found = asyncio.run(
            fuzz(how.address, rpcs, numbers, how.seed, large=how.large, progress=lambda: progress.advance(task))
        )
    if how.json:
        print(report.as_json(found))
    else:
        report.show(found, Console(width=max(Console().width, _WIDTH)))
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
