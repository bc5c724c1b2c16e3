"""The tables of a run, on the screen."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.figures import SERVICE, Row, Run

COLUMNS = (
    "calls/s",
    "items/s",
    "p50 ms",
    "p99 ms",
    "service",
    "gateway",
    "stores",
    "of\nempty",
    "store\nalone/s",
    "x peer\n(scaled)",
    "errors",
)


def of_run(run: Run) -> list[Table]:
    """One for each way and number of callers."""
    tables = []
    for via in dict.fromkeys(row.via for row in run.rows):
        for callers in run.callers:
            rows = [row for row in run.rows if (row.via, row.callers) == (via, callers)]
            if rows:
                tables.append(_table(run, title(via, callers), rows))
    return tables


def title(via: str, callers: int) -> str:
    """What a table is about."""
    way = "straight at the service" if via == SERVICE else "through the gateway"
    return f"{callers} caller{'s' if callers > 1 else ''}, {way}; CPU in µs a call"


def cells(run: Run, row: Row) -> list[str]:
    """A row as people read it, in the order of COLUMNS."""
    bare = run.of(row).bare
    return [
        f"{row.calls_per_s:,.0f}",
        f"{row.items_per_s:,.0f}",
        f"{row.p50_ms:.2f}",
        f"{row.p99_ms:.2f}",
        f"{row.service_cpu_us:,.0f}",
        f"{row.gateway_cpu_us:,.0f}" if row.via != SERVICE else "",
        f"{row.store_cpu_us:,.0f}",
        f"{row.share_of_empty:.0%}",
        f"{bare['calls_per_s']:,.0f}" if bare else "",
        f"{row.ratio_to_peer:.2f}" if row.ratio_to_peer is not None else "",
        f"{row.errors}",
    ]


def _table(run: Run, name: str, rows: Sequence[Row]) -> Table:
    made = Table(title=name, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    made.add_column("operation", no_wrap=True)
    for column in COLUMNS:
        made.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(row.operation, *cells(run, row))
    return made
