"""What a person sees of a start: a line for each part as it comes up, and in the end where to go. The same lines, with
the time, go to the supervisor's log."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local.layout import Layout
from deploy.local.part import Part, PartFailedError
from deploy.local.process import rotate, tail
from deploy.local.unit import Unit


class Display:
    """A listener that prints."""

    def __init__(self, console: Console, layout: Layout) -> None:
        self._console = console
        self._layout = layout
        self._log = layout.log("supervisor")
        self._name_width = 12

    def starting(self, version: str, parts: Sequence[Part]) -> None:
        """The first line, and a new log. `parts` are those that will come up."""
        rotate(self._log)
        self._name_width = 1 + max(len(part.name) for part in parts)
        self.say(f"\n[bold]Savepoint {version}[/] is starting; its data is in {_path(self._layout.data)}\n")

    def part_started(self, unit: Unit) -> None:
        """Nothing to see yet."""

    def part_up(self, unit: Unit, seconds: float) -> None:
        """A line for the part; a shorter one when it only came back."""
        part = unit.part
        if unit.restarts:
            self.say(f"  [green]✓[/] {part.name} is back after {seconds:.1f} s")
            return
        engine = f"{part.engine} {part.version}"
        address = short(part.address)
        self.say(f"  [green]✓[/] {part.name:<{self._name_width}}{engine:<20}{address:<32} [dim]{seconds:4.1f} s[/]")

    def part_died(self, unit: Unit, how: str) -> None:
        """A line that says how."""
        self.say(f"  [yellow]↻[/] {unit.part.name} {how}; starting it again")

    def up(self, gateway: str, seconds: float, stop_with: str) -> None:
        """The closing lines."""
        self.say(
            f"\n[bold green]Savepoint is up[/] after {seconds:.1f} s. "
            f"Game servers call [bold]{gateway}[/] (gRPC, no TLS)."
        )
        for command, what in (
            ("make demo", "plays real matches through it"),
            ("make status", "shows every part"),
            (stop_with, "stops it; the data stays"),
        ):
            self.say(f"  [bold]{command:<13}[/]{what}")
        self.say("")

    def failed(self, failure: PartFailedError) -> None:
        """Why it did not come up, with the last lines of the part that failed."""
        self.say(f"  [red]✗[/] {escape(str(failure))}")
        if failure.log is not None:
            self.say(f"    The end of {_path(failure.log)}:")
            for line in tail(failure.log):
                self.say(f"    [dim]│[/] {escape(line)}")

    def problem(self, reason: str) -> None:
        """Why nothing was started."""
        Console(stderr=True, soft_wrap=True).print(f"[red]✗[/] {escape(reason)}", highlight=False)

    def say(self, text: str) -> None:
        """Prints a line, and logs it."""
        # A terminal that has been closed must not keep the parts from being stopped.
        with contextlib.suppress(OSError):
            self._console.print(text, highlight=False, soft_wrap=True)
        plain = Console(width=10_000).render_str(text).plain.strip()
        if plain and self._log.parent.is_dir():
            with self._log.open("a") as log:
                log.write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {plain}\n")


def short(address: str) -> str:
    """An address as people read it: a path below the working directory without that."""
    return _path(Path(address)) if address.startswith("/") else address


def _path(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
