"""What the fuzzer found: as tables for people, as one JSON object for programs."""

import base64
import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from rich.console import Console
from rich.table import Table

from tests.fuzz.rpcs import Rpc

_MOST_SHOWN = 40
_LONGEST_TEXT = 300
_LONGEST_RAW = 64 * 1024


@dataclass(frozen=True)
class Finding:
    """One call that went wrong, with what it takes to repeat it. `message` is text format, cut; `raw` base64, and
    empty where the message is large: `--rpc` and `--only` make it anew."""

    rpc: str
    number: int
    kind: str
    fault: str
    message: str
    raw: str


@dataclass
class Report:
    """How many calls of each RPC ended with which status, and what was wrong."""

    seed: str
    seconds: float = 0
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    healthy_calls: int = 0
    healthy_failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.findings or self.healthy_failures)


def finding(rpc: Rpc, number: int, kind: str, raw: bytes, fault: str) -> Finding:
    """The finding about one call."""
    try:
        text = text_format.MessageToString(rpc.request.FromString(raw), as_one_line=True, as_utf8=True)
    except DecodeError:
        text = f"{len(raw)} bytes that do not parse: {raw[:100]!r}"
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}… ({len(raw)} bytes)"
    kept = base64.b64encode(raw).decode() if len(raw) <= _LONGEST_RAW else ""
    return Finding(rpc.path, number, kind, fault, text, kept)


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    return json.dumps({"good": report.good, **asdict(report)}, ensure_ascii=False)


def show(report: Report, console: Console) -> None:
    """The report as a table, and every finding with how to repeat it."""
    seen = {code for counts in report.statuses.values() for code in counts}
    codes = sorted(seen, key=lambda code: (code != "OK", code))
    heads = [code.replace("_", " ") for code in codes]
    table = Table("RPC", *heads, title=f"seed {report.seed}", title_justify="left")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for path, counts in report.statuses.items():
        table.add_row(path.rpartition("/")[2], *(f"{counts[code]:,}" if counts[code] else "" for code in codes))
    console.print(table)
    calls = sum(counts.total() for counts in report.statuses.values())
    console.print(
        f"{calls:,} generated messages in {report.seconds:.0f} s; {report.healthy_calls:,} healthy calls beside, "
        f"{len(report.healthy_failures):,} of them failed",
        highlight=False,
    )
    for found in report.findings[:_MOST_SHOWN]:
        console.print(f"[red]{found.rpc}[/] (--rpc {found.rpc.rpartition('/')[2]} --only {found.number}, {found.kind})")
        console.print(f"  {found.fault}\n  {found.message}", highlight=False, markup=False)
    for failure in report.healthy_failures[:_MOST_SHOWN]:
        console.print(f"a healthy call failed: {failure}", style="red", highlight=False, markup=False)
    left = max(0, len(report.findings) - _MOST_SHOWN) + max(0, len(report.healthy_failures) - _MOST_SHOWN)
    if left:
        console.print(f"[red]and {left} more[/]")
    if report.good:
        console.print("[green]Every message was answered as the contract says, and nobody else noticed.[/]")
