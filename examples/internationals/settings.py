"""What the demo can be told: on the command line, or by the variables that `make demo` passes on."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_DATA = Path(__file__).parents[1] / "data" / "internationals.csv.gz"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to play."""

    file: Path
    limit: int | None
    league: str
    in_flight: int
    port: int
    json: bool

    @property
    def address(self) -> str:
        """The gateway's."""
        return f"127.0.0.1:{self.port}"


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings; exits with a message about the one that is wrong."""

    def default(variable: str, value: str | None = None) -> str | None:
        return environment.get(variable) or value

    parser = argparse.ArgumentParser(
        prog="python -m examples.internationals",
        description="Plays real football matches through Savepoint's gateway, and checks what it kept.",
    )
    parser.add_argument(
        "--file",
        type=Path,
        default=default("DEMO_FILE", str(_DATA)),
        help="the matches, a CSV file, plain or gzipped (DEMO_FILE; default: the one in examples/data)",
    )
    parser.add_argument(
        "--limit",
        type=_count,
        default=default("DEMO_LIMIT"),
        help="how many rows of it to play (DEMO_LIMIT; default: all)",
    )
    parser.add_argument(
        "--league",
        default=default("DEMO_LEAGUE", ""),
        help="plays the same matches afresh, with new players, under this name (DEMO_LEAGUE)",
    )
    parser.add_argument(
        "--in-flight",
        type=_count,
        default=default("DEMO_IN_FLIGHT", "64"),
        help="how many matches to play at a time (DEMO_IN_FLIGHT; default: 64)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=default("SAVEPOINT_PORT", "8080"),
        help="the gateway's port on this machine (SAVEPOINT_PORT; default: 8080)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return Settings(**vars(parser.parse_args(arguments)))


def _count(text: str) -> int:
    return _whole(text, 1, 1_000_000)


def _port(text: str) -> int:
    return _whole(text, 1, 65535)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, and is {text!r}")
    return int(text)
