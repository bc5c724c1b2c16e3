"""The plots of a run, as PNG and SVG: calls a second and p99 beside the peer, latency over callers."""

from collections.abc import Callable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import SERVICE, Row, Run

_OURS, _PEER = "#2a6fbb", "#c9781e"
_BAR = 0.38
# The same run gives the same files: no date, no random ids.
_SAME = {"svg.hashsalt": "savepoint", "font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False}


def draw(run: Run, directory: Path) -> list[Path]:
    """Writes them, into a directory that exists, and returns their paths."""
    most = max(run.callers)
    drawn: list[Path] = []
    with rc_context(_SAME):  # type: ignore[arg-type] # its keys are a long Literal
        drawn += _write(
            _bars(run, most, "calls a second", lambda row: row.calls_per_s, _peer_calls), directory, "calls"
        )
        drawn += _write(_bars(run, most, "p99, ms", lambda row: row.p99_ms, _peer_p99), directory, "p99")
        if len(run.callers) > 1:
            drawn += _write(_over_callers(run), directory, "latency")
    return drawn


def _peer_calls(run: Run, row: Row) -> float | None:
    return run.of(row).peer_calls_per_s


def _peer_p99(run: Run, row: Row) -> float | None:
    return run.of(row).peer_p99_ms


def _bars(
    run: Run,
    callers: int,
    unit: str,
    value: Callable[[Row], float],
    peer: Callable[[Run, Row], float | None],
) -> Figure:
    """Bars beside each other, the longest ones at a logarithmic scale's end."""
    via = run.rows[0].via
    rows = [row for row in run.rows if (row.via, row.callers) == (via, callers)]
    figure = Figure(figsize=(8, 1 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(rows))
    axes.barh([at - _BAR / 2 for at in places], [value(row) for row in rows], _BAR, color=_OURS, label="Savepoint")
    beside = [(at, other) for at, row in zip(places, rows, strict=True) if (other := peer(run, row))]
    if beside:
        at, values = zip(*beside, strict=True)
        axes.barh([each + _BAR / 2 for each in at], values, _BAR, color=_PEER, label="Nakama (scaled)")
        axes.legend(loc="best", frameon=False)
    axes.set_yticks(list(places), [row.operation for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"{unit} (logarithmic)")
    way = "straight at the service" if via == SERVICE else "through the gateway"
    axes.set_title(f"{callers} callers, {way}", loc="left")
    return figure


def _over_callers(run: Run) -> Figure:
    """A small panel for each operation: p50 and p99 over the number of callers."""
    via = run.rows[0].via
    columns = 4
    lines = -(-len(run.operations) // columns)
    figure = Figure(figsize=(10, 2.1 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, name in enumerate(run.operations):
        rows = [row for callers in run.callers if (row := run.row(name, via, callers))]
        _panel(grid[number // columns][number % columns], name, rows)
    for unused in range(len(run.operations), lines * columns):
        grid[unused // columns][unused % columns].set_axis_off()
    figure.suptitle("Latency in ms over callers: p50 (full), p99 (dashed)", x=0.01, ha="left")
    return figure


def _panel(axes: Axes, name: str, rows: list[Row]) -> None:
    callers = [row.callers for row in rows]
    axes.plot(callers, [row.p50_ms for row in rows], color=_OURS, marker="o", markersize=3)
    axes.plot(callers, [row.p99_ms for row in rows], color=_OURS, marker="o", markersize=3, linestyle="--")
    axes.set_xscale("log", base=4)
    axes.set_xticks(callers, [str(each) for each in callers])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_title(name, fontsize=8, loc="left")


def _write(figure: Figure, directory: Path, name: str) -> list[Path]:
    png, svg = directory / f"{name}.png", directory / f"{name}.svg"
    figure.savefig(png, dpi=120, metadata={"Software": ""})
    figure.savefig(svg, metadata={"Date": None})
    return [png, svg]
