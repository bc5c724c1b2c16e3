"""Does a call cost more where there is more? Every operation with one caller, in a large world and in a small one, in
turns; and a board of ten million entries, with what an entry takes in Valkey."""

import argparse
import statistics
from collections import defaultdict
from contextlib import AsyncExitStack

from rich.console import Console

from bench import catalogue
from bench.catalogue import UnknownNameError
from bench.figures import SERVICE
from bench.generator.result import Result
from bench.measuring import Measuring
from bench.progress import Steps
from bench.report import Check, Report, table
from bench.world import STEPS, Sizes, world

HELP = "does a call cost more at a million players and entries than at ten thousand?"

_MOST = 1.25
_HUGE_BOARD = "huge"
_IDS = 20_000  # more than one caller can name in the time of a run

Rounds = defaultdict[tuple[str, str], list[Result]]  # by operation, world


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program's options."""
    parser.add_argument(
        "--small", type=int, default=10_000, help="players, and entries of the board, in the small world"
    )
    parser.add_argument("--large", type=int, default=1_000_000, help="likewise in the large one")
    parser.add_argument("--huge", type=int, default=10_000_000, help="entries of a board beside; 0 for none")
    parser.add_argument("--items", type=int, default=Sizes.items, help="items a player")
    parser.add_argument("--ops", default="", metavar="NAMES", help="operations, with commas between; all when empty")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured time of each operation")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, whose medians count")


async def run(given: argparse.Namespace, console: Console) -> Report:
    """Both worlds run at once, each on stores of its own. Raises UnknownNameError."""
    chosen = catalogue.chosen(catalogue.names(given.ops))
    boards = [case for case in chosen if case.service == "leaderboard"] if given.huge else []
    small, large, huge = (f"{size:,}" for size in (given.small, given.large, given.huge))
    if len({small, large, huge}) < 3:
        raise UnknownNameError("--small, --large and --huge must be three different numbers")
    results: Rounds = defaultdict(list)
    with Steps(console, 2 * STEPS + 1 + given.rounds * (2 * len(chosen) + len(boards))) as steps:
        async with AsyncExitStack() as stack:
            worlds = {
                name: await stack.enter_async_context(world(Sizes(size, size, given.items), steps))
                for name, size in ((small, given.small), (large, given.large))
            }
            if boards:
                steps.next(f"making a board of {huge}")
                worlds[huge] = await worlds[large].with_board(_HUGE_BOARD, given.huge)
            measuring = {name: Measuring(made, given.seconds, _IDS) for name, made in worlds.items()}
            for number in range(given.rounds):
                for case in chosen:
                    there = [name for name in worlds if name != huge or case in boards]
                    # A B C, then C B A.
                    for name in there[:: -1 if number % 2 else 1]:
                        steps.next(f"{case.name} at {name}")
                        results[case.name, name].append(await measuring[name].once(case, SERVICE, callers=1))
            bytes_an_entry = {name: made.board_bytes / len(made.seed.entry_ids) for name, made in worlds.items()}
    return report(results, small, large, bytes_an_entry)


def report(results: Rounds, small: str, large: str, bytes_an_entry: dict[str, float]) -> Report:
    """What the rounds come to, in each world."""
    names = list(dict.fromkeys(world for _, world in results))
    operations = list(dict.fromkeys(operation for operation, _ in results))
    p50 = {
        key: statistics.median(each.operations[key[0]].right.p50_ms for each in rounds)
        for key, rounds in results.items()
    }
    failed = sum(sum(each.failed.values()) for rounds in results.values() for each in rounds)
    made = table("p50 in ms of one caller, by players and entries", "operation", *names, "times")
    checks = [Check("calls that failed", f"{failed}", "0", not failed)]
    for operation in operations:
        times = p50[operation, large] / max(1e-9, p50[operation, small])
        shown = [f"{p50[operation, name]:.3f}" if (operation, name) in p50 else "" for name in names]
        made.add_row(operation, *shown, f"{times:.2f}")
        what = f"{operation}: p50 at {large} over {small}"
        checks.append(Check(what, f"{times:.2f} times", f"at most {_MOST:g}", times <= _MOST))
    memory = table("Valkey's memory", "entries", "bytes an entry")
    for name, size in bytes_an_entry.items():
        memory.add_row(name, f"{size:,.0f}")
    figures = {
        "p50_ms": [{"operation": operation, "size": size, "p50_ms": ms} for (operation, size), ms in p50.items()],
        "bytes_an_entry": bytes_an_entry,
    }
    return Report("sizes", figures, [made, memory], checks)
