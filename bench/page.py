"""docs/performance.md: a run's figures in words and tables. What stands below its last heading line is written by hand,
and stays as it is when a new run is put in."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill

from bench import musts, peer, tables
from bench.figures import Run
from deploy.local.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "performance.md"
FILES = CHECKOUT / "docs" / "performance"
BY_HAND = "<!-- Written by hand from here on: python -m bench report leaves it as it is. -->"

_INTRODUCTION = """\
Written by `python -m bench report` from `docs/performance/bench.json`; a test compares the two. To measure another
machine: `make bench` (some ten minutes), or a part of it: `make bench OPS=SubmitScore,GetPlayer CALLERS=64 SECONDS=5
VIA=service`. [bench/README.md](../bench/README.md) says more.
"""
_READING = """\
Generator, service, gateway and stores share the machine. CPU is in µs a call, of whole process trees.

- **of empty**: calls/s as a share of the empty call's, measured straight at the same service right before and right
  after. The empty call is `grpc.health.v1.Health/Check` on the same host. Two of the policies let it by, admission and
  the caller's identity; an empty call that passes all of them takes no more CPU.
- **store alone**: what PostgreSQL (by pgbench, over at most 20 connections) or Valkey (by a pipelined client that
  repeats the service's own commands) does of the operation with nobody before it. For a write in PostgreSQL: plain
  statements that write the same rows.
{peer}
"""
_PEER = """\
- **x peer (scaled)**: times the calls/s of {name}, whose figures are of another machine ({measured}). {how} They are
scaled by the ratio of the two machines' empty calls, of which that one made {empty}/s: an estimate. `bench/peer.json`
has the table. That empty call passed no policies: so the peer may be somewhat faster here than is shown."""
_WIDTH = 120

_HEADINGS = [heading.replace("\n", " ") for heading in tables.COLUMNS]


def render(run: Run) -> str:
    """The part that is made from a run, down to BY_HAND."""
    return "\n".join(_lines(run)) + "\n"


def write(run: Run, page: Path = PAGE) -> None:
    """Puts a run into the page."""
    by_hand = page.read_text(encoding="utf-8").partition(BY_HAND)[2] if page.exists() else "\n"
    page.write_text(render(run) + BY_HAND + by_hand, encoding="utf-8")


def _lines(run: Run) -> Iterator[str]:
    machine, settings = run.machine, run.settings
    yield "# Performance"
    yield ""
    yield _INTRODUCTION
    yield from _table(
        ("run", run.name),
        [
            ("made", run.at),
            ("commit", f"`{run.commit}`" if run.commit else ""),
            ("command", f"`{run.command}`"),
            ("machine", f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB"),
            ("system", f"{machine['system']}, Python {machine['python']}"),
            (
                "with",
                f"Savepoint {machine['savepoint']} on `{settings['host']}`, PostgreSQL {machine['postgresql']}, "
                f"Valkey {machine['valkey']}, Envoy {machine['envoy']}",
            ),
            (
                "data",
                f"{settings['players']:,} players with {settings['items']} items, a board of {settings['entries']:,}",
            ),
            ("each", f"{settings['seconds']:g} s, rounds: {settings['rounds']}, medians"),
        ],
    )
    yield ""
    known = peer.load()
    empty = f"{known.empty_calls_per_s:,.0f}"
    of_peer = _PEER.format(name=known.name, measured=known.measured, how=known.how, empty=empty)
    yield _READING.format(peer=fill(" ".join(of_peer.split()), _WIDTH, subsequent_indent="  "))
    for via in dict.fromkeys(row.via for row in run.rows):
        for callers in reversed(run.callers):
            yield from _figures(run, via, callers)
    yield from _plots(run)
    yield "## What must hold"
    yield ""
    checks = musts.checks(run)
    yield from _table(
        ("", "what", "measured", "wanted"),
        [("✓" if check.holds else "✗", check.what, check.measured, check.wanted) for check in checks],
    )
    yield ""


def _figures(run: Run, via: str, callers: int) -> Iterator[str]:
    rows = [row for row in run.rows if (row.via, row.callers) == (via, callers)]
    if not rows:
        return
    yield f"## {tables.title(via, callers)}"
    yield ""
    yield from _table(("operation", *_HEADINGS), [(row.operation, *tables.cells(run, row)) for row in rows], right=True)
    yield ""


def _plots(run: Run) -> Iterator[str]:
    yield "## Plots"
    yield ""
    names = [("calls", "calls a second"), ("p99", "p99")]
    if len(run.callers) > 1:
        names.append(("latency", "latency over callers"))
    for name, what in names:
        yield f"[![{what}](performance/{name}.png)](performance/{name}.svg)"
        yield ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, right: bool = False) -> Iterator[str]:
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield "|" + "|".join(["---"] + ["---:" if right else "---"] * (len(head) - 1)) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
