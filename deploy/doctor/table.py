"""All that was found, for people: a table for each part, the worst first."""

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.doctor.finding import Examined, Finding, Severity, worst
from deploy.doctor.report import Report
from deploy.doctor.text import place

_MARKS: Mapping[Severity, tuple[str, str]] = {
    Severity.PROBLEM: ("✗", "bold red"),
    Severity.NOTICE: ("!", "yellow"),
    Severity.OK: ("✓", "green"),
}
_PLACES = {severity: place for place, severity in enumerate(Severity)}


def show(report: Report, console: Console) -> None:
    """Prints it."""
    # Within one severity, the order of the examination: stores first, for what is ill there shows in the services too.
    for part in sorted(report.parts, key=lambda part: _PLACES[worst(part.findings)]):
        console.print(_part(part))
        console.print()
    console.print(_summary(report))


def _part(part: Examined) -> RenderableType:
    mark, style = _MARKS[worst(part.findings)]
    head = Text.assemble((f"{mark} {part.part}", style), ("  " + place(part.address), "dim"), overflow="fold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in sorted(part.findings, key=lambda finding: _PLACES[finding.severity]):
        mark, style = _MARKS[finding.severity]
        # Text, never markup: a query may have brackets.
        table.add_row("", Text(mark, style), Text(finding.check, style), Group(*_lines(finding, style)))
    return Group(head, table)


def _lines(finding: Finding, style: str) -> Iterator[Text]:
    if finding.severity is Severity.OK:
        yield Text(finding.what)
        return
    yield Text(finding.what, style)
    if finding.why:
        yield Text(finding.why)
    if finding.do:
        yield Text.assemble(("→ ", "bold"), finding.do)


def _summary(report: Report) -> Text:
    counts = report.counts
    problems, notices = counts[Severity.PROBLEM.value], counts[Severity.NOTICE.value]
    severity = Severity.OK if report.well else Severity.PROBLEM
    mark, style = _MARKS[severity]
    ill = f"{problems} problem{'' if problems == 1 else 's'}" if problems else "No problem"
    others = f", {notices} notice{'' if notices == 1 else 's'}, {counts[Severity.OK.value]} fine"
    return Text.assemble((f"{mark} {ill}", style), others, f". Looked at: {report.source}.")
