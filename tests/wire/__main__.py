"""Attacks a running leaderboard service and prints what it answered, what it cost, and what others noticed.

python -m tests.wire --address HOST:PORT --pid PID [--host httpunk|grpc_aio] [--attack NAME]... [--full] [--json]

The exit code is 1 when a bound was broken or an answer was not among the right ones.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from tests.wire import attacks  # noqa: F401 # registers them
from tests.wire.healthy import calling
from tests.wire.measure import Report, measure
from tests.wire.registry import ATTACKS
from tests.wire.target import prepare, remove


async def _run(options: argparse.Namespace) -> bool:
    target = await prepare(options.address)
    good = True
    try:
        async with calling(target) as healthy:
            for name in options.attack or ATTACKS:
                attack = ATTACKS[name]
                size = options.size or (attack.full if options.full else attack.small)
                report = await measure(attack, size, target, options.pid, options.host, healthy)
                good = good and not report.violations
                print(json.dumps(asdict(report)) if options.json else _row(report), flush=True)
    finally:
        await remove(target)
    return good


_HEAD = (
    f"{'attack':<40} {'size':>8} {'s':>6} {'cpu s':>6} {'MB before':>9} {'peak':>6} {'after':>6} "
    f"{'healthy':>8} {'failed':>6} {'slowest s':>9} {'fresh s':>8}  answer"
)


def _row(report: Report) -> str:
    healthy = report.healthy
    answer = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in report.answer.items())
    row = (
        f"{report.attack:<40} {report.size:>8} {report.seconds:>6.2f} {report.cpu_s:>6.2f} "
        f"{report.memory_before:>9.1f} {report.memory_peak:>6.1f} {report.memory_after:>6.1f} "
        f"{healthy.made:>8} {len(healthy.failures):>6} {healthy.slowest_s:>9.3f} {report.fresh_call_s:>8.3f}  {answer}"
    )
    return "\n".join([row, *(f"    VIOLATION: {violation}" for violation in report.violations)])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="host:port of a leaderboard service")
    parser.add_argument("--pid", required=True, type=int, help="its process, whose memory is watched")
    parser.add_argument("--host", default="httpunk", choices=("httpunk", "grpc_aio"), help="which outcomes are right")
    parser.add_argument("--attack", action="append", choices=sorted(ATTACKS), help="only this one; may be repeated")
    parser.add_argument("--full", action="store_true", help="in earnest: a million frames, 10,000 resets")
    parser.add_argument("--size", type=int, help="another size")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each attack")
    options = parser.parse_args()
    if not options.json:
        print(_HEAD)
    return 0 if asyncio.run(_run(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
