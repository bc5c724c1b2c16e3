"""The result: as tables for people, as one JSON object for programs."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from examples.internationals.readback import Place

_MOST_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """What the demo did and found. `seconds` and `matches_per_s` are of the matches alone."""

    players: int
    matches: int
    seconds: float
    matches_per_s: float
    top10: list[Place]
    mismatches: list[str]
    leaderboard_id: str
    players_created: int
    around: list[Place]
    around_team: str
    mmr_change_sum: int
    in_flight: int
    client_cpu_ms_per_match: float
    phase_seconds: dict[str, float]


def as_json(outcome: Outcome) -> str:
    """The outcome as one JSON object."""
    return json.dumps(asdict(outcome), ensure_ascii=False)


def show(outcome: Outcome, console: Console) -> None:
    """The outcome as tables, and every difference by name."""
    console.print()
    console.print(_summary(outcome))
    console.print(_places("The best ten", outcome.top10))
    console.print(_places(f"Around {outcome.around_team}", outcome.around, outcome.around_team))
    console.print(_timing(outcome))
    for mismatch in outcome.mismatches[:_MOST_SHOWN]:
        console.print(f"[red]differs:[/] {mismatch}", highlight=False)
    if (more := len(outcome.mismatches) - _MOST_SHOWN) > 0:
        console.print(f"[red]and {more} more[/]")
    if not outcome.mismatches:
        console.print("[green]Everything that Savepoint kept is as the demo's own sums say.[/]")


def _summary(outcome: Outcome) -> Table:
    table = Table(title="Result", title_justify="left", show_header=False)
    table.add_row("players", f"{outcome.players:,} ({outcome.players_created:,} new)")
    table.add_row("matches", f"{outcome.matches:,}")
    table.add_row("sum of all mmr changes", f"{outcome.mmr_change_sum:,}")
    table.add_row("leaderboard", outcome.leaderboard_id)
    table.add_row("differences", f"{len(outcome.mismatches):,}")
    return table


def _places(title: str, places: Iterable[Place], marked: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("team")
    table.add_column("mmr", justify="right")
    for place in places:
        table.add_row(f"{place.rank:,}", place.team, f"{place.score:,}", style="bold" if place.team == marked else None)
    return table


def _timing(outcome: Outcome) -> Table:
    table = Table(title="Timing", title_justify="left", show_header=False)
    for phase, seconds in outcome.phase_seconds.items():
        table.add_row(phase, f"{seconds:.1f} s")
    table.add_row("matches a second", f"{outcome.matches_per_s:,.0f}, three calls each, {outcome.in_flight} in flight")
    table.add_row("the demo's own CPU", f"{outcome.client_cpu_ms_per_match:.2f} ms a match")
    return table
